package focus

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/arrears-billing/arrears/ingest"
)

//go:embed data/services.tsv
var servicesTSV string

// A service is where the specification files a product.
type service struct{ category, subcategory string }

var services = func() map[string]service {
	m := map[string]service{}
	for line := range strings.Lines(servicesTSV) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(fields) != 3 || m[fields[0]] != (service{}) {
			panic(fmt.Sprintf("focus: data/services.tsv: %q", line)) // any test finds it
		}
		m[fields[0]] = service{fields[1], fields[2]}
	}
	return m
}()

// KnowsService says whether the table of services files a charge's product, as far as it is AWS's.
func KnowsService(k ingest.Key) bool {
	_, known := serviceOf(k.Product, "", k.BillingEntity == ingest.EntityMarketplace)
	return known || k.Product == ""
}

// other is for what has no category: the seller's own lines, tax, and products that the table lacks.
var other = service{"Other", "Other (Other)"}

// serviceOf files a product. Marketplace products have codes of their own: those that AWS sells as
// models for Bedrock say so in their name, and nobody can tell of the others. known is false for a
// product of AWS's that the table lacks.
func serviceOf(product, name string, marketplace bool) (s service, known bool) {
	switch s, ok := services[product]; {
	case ok:
		return s, true
	case marketplace && strings.Contains(name, "(Amazon Bedrock Edition)"):
		return service{"AI and Machine Learning", "Generative AI"}, true
	case marketplace:
		return other, true
	}
	return other, false
}
