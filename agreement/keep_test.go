package agreement

import (
	"slices"
	"testing"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// A book that leaves empty what AWS has stated does not take it back; another value is a decision.
func TestKeep(t *testing.T) {
	may := LastSecond(calendar.MustMonth("2027-05"))
	stated := Agreement{
		ID:          "AGR-0001",
		Transfer:    Transfer{ID: "rt-1", Accepted: date("2026-02-19 10:00"), Start: date("2026-03-01 00:00"), End: may, Status: "WITHDRAWN"},
		Billed:      Billed{To: calendar.MustMonth("2027-04")},
		ServiceTerm: ServiceTerm{AcceptedAt: date("2026-02-20 09:00")},
	}
	ordered := []Move{{Event: "order_placed"}}
	adopted := []Move{{Event: "adopted"}}
	tests := []struct {
		name   string
		life   Lifecycle
		book   func(*Agreement)
		kept   []string
		end    time.Time
		status string
	}{
		{"an end", Lifecycle{Status: Terminating, Moves: adopted}, func(a *Agreement) { a.Transfer.End, a.Transfer.Status = time.Time{}, "ACCEPTED" }, []string{"transfer.end"}, may, "WITHDRAWN"},
		{"another end", Lifecycle{Status: Terminating, Moves: adopted}, func(a *Agreement) { a.Transfer.End = may.AddDate(0, 1, -1) }, nil, may.AddDate(0, 1, -1), "WITHDRAWN"},
		{"another transfer", Lifecycle{Status: Terminating, Moves: ordered}, func(a *Agreement) { a.Transfer = Transfer{ID: "rt-2"} }, nil, time.Time{}, ""},
		{"the whole transfer", Lifecycle{Status: Terminated, Moves: adopted}, func(a *Agreement) { a.Transfer = Transfer{} },
			[]string{"transfer.id", "transfer.accepted", "transfer.start", "transfer.end"}, may, "WITHDRAWN"},
		{"handover and term", Lifecycle{Status: Active, Moves: ordered}, func(a *Agreement) { a.Billed, a.ServiceTerm = Billed{}, ServiceTerm{} },
			[]string{"billed.to", "service_term.accepted_at"}, may, "WITHDRAWN"},
		{"a book's own agreement that runs", Lifecycle{Status: Active, Moves: adopted}, func(a *Agreement) { a.Transfer.End = time.Time{} }, nil, time.Time{}, "WITHDRAWN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			is := stated
			tt.book(&is)
			if got := tt.life.Keep(&stated, &is); !slices.Equal(got, tt.kept) {
				t.Errorf("kept %v, want %v", got, tt.kept)
			}
			if !is.Transfer.End.Equal(tt.end) || is.Transfer.Status != tt.status {
				t.Errorf("ends %v, %s; want %v, %s", is.Transfer.End, is.Transfer.Status, tt.end, tt.status)
			}
		})
	}
}
