package simulator

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// FuzzOperations: whatever a client sends, an operation answers with JSON or with an error of AWS.
func FuzzOperations(f *testing.F) {
	type operation struct{ service, name string }
	var all []operation
	for _, service := range slices.Sorted(maps.Keys(services)) {
		if services[service].protocol == query {
			continue // its answers are XML
		}
		for _, name := range slices.Sorted(maps.Keys(services[service].ops)) {
			all = append(all, operation{service, name})
		}
	}
	for i := range all {
		for _, input := range []string{`{}`, `null`, `{"Id":"rt-0000000005","Type":"BILLING","catalog":"AWS","NextToken":"transfers.0","HandshakeId":"h-0000000006"}`,
			`{"Type":"BILLING","Target":{"Id":"444455556666","Type":"ACCOUNT"},"StartTimestamp":1772323200,"SourceName":"n"}`,
			`{"ReportDefinition":{"ReportName":"r"},"Export":{"Name":"e","DataQuery":{"QueryStatement":"SELECT a FROM COST_AND_USAGE_REPORT"}}}`} {
			f.Add(i, input)
		}
	}
	f.Fuzz(func(t *testing.T, i int, input string) {
		if i < 0 || i >= len(all) {
			return
		}
		s, _ := accepted(t)
		out, err := s.Call(Call{payer, all[i].service, all[i].name, json.RawMessage(input)})
		if err != nil {
			if e := asError(err); e.Code == "InternalFailure" {
				t.Errorf("%s: %v, which is no error of AWS", all[i].name, err)
			}
			return
		}
		if _, err := json.Marshal(out); err != nil {
			t.Errorf("%s: the answer is not JSON: %v", all[i].name, err)
		}
		s.State() // still whole
	})
}
