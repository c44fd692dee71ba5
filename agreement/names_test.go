package agreement

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	tests := []struct{ buyer, transfer, relationship string }{
		{"Buyer B.V.", "Transfer Billing - Buyer B.V.", "Buyer B.V.-111122223333"},
		{"Rhône Énergie SA", "Transfer Billing - Rhone Energie SA", "Rhône Énergie SA-111122223333"},
		{"Großhandel Łódź Ærø Holding GmbH & Co. KG", "Transfer Billing - Grosshandel Lodz AEro Holding GmbH & Co. KG", "Großhandel Łódź Æ-111122223333"},
		{"株式会社", "Transfer Billing - ????", "株式会社-111122223333"},
		{"", "Transfer Billing -", "-111122223333"},
	}
	for _, tt := range tests {
		if got := transferName(tt.buyer); got != tt.transfer {
			t.Errorf("transferName(%q) = %q, want %q", tt.buyer, got, tt.transfer)
		}
		if got := relationshipName(tt.buyer, testAccount); got != tt.relationship {
			t.Errorf("relationshipName(%q) = %q, want %q", tt.buyer, got, tt.relationship)
		}
	}
}

// Whatever the buyer is called, AWS takes the names (its service models' patterns).
func TestNamesFit(t *testing.T) {
	transfer, relationship := regexp.MustCompile(`^[ -~]{1,128}$`), regexp.MustCompile(`^[^\x00-\x1F\x7F]{1,30}$`)
	rapid.Check(t, func(t *rapid.T) {
		buyer := rapid.String().Draw(t, "buyer")
		if got := transferName(buyer); !transfer.MatchString(got) {
			t.Errorf("transferName(%q) = %q", buyer, got)
		}
		if got := relationshipName(buyer, testAccount); !relationship.MatchString(got) {
			t.Errorf("relationshipName(%q) = %q", buyer, got)
		}
	})
}
