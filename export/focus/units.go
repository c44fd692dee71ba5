package focus

import "strings"

// unit brings AWS's unit of measure to the form of the specification's unit format: the words
// that it lists are spelled as it lists them, time in whole words and in the plural; any other
// unit stays as AWS states it, as in AWS's own export.
func unit(u string) string {
	switch u {
	case "Hrs":
		return "Hours"
	case "GB-Mo":
		return "GB-Months"
	}
	if base, ok := strings.CutSuffix(u, "-Hrs"); ok {
		return base + "-Hours"
	}
	return u
}
