package arrears

import (
	"context"
	"errors"
	"testing"

	"github.com/arrears-billing/arrears/agreement"
)

// countingAWS counts how often it is asked for exports.
type countingAWS struct {
	agreement.AWS
	lists, fails int
	list         []agreement.Export
}

func (c *countingAWS) Exports(context.Context, agreement.AccountID) ([]agreement.Export, error) {
	c.lists++
	if c.fails > 0 {
		c.fails--
		return nil, errors.New("not now")
	}
	return c.list, nil
}

func (c *countingAWS) CreateExport(_ context.Context, _ agreement.AccountID, in agreement.NewExport) (agreement.Export, error) {
	if in.Name == "refused" {
		return agreement.Export{}, errors.New("refused")
	}
	x := agreement.Export{Name: in.Name}
	c.list = append(c.list, x)
	return x, nil
}

// TestOnceAWS: a tick lists a payer's exports once, sees its own new ones, and looks again after a
// list or a creation that went wrong.
func TestOnceAWS(t *testing.T) {
	under := &countingAWS{fails: 1}
	o := &onceAWS{AWS: under, exports: map[agreement.AccountID][]agreement.Export{}}
	look := func(wantExports, wantLists int) {
		t.Helper()
		list, err := o.Exports(t.Context(), "999900001111")
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != wantExports || under.lists != wantLists {
			t.Errorf("%d exports after %d lists, want %d after %d", len(list), under.lists, wantExports, wantLists)
		}
	}
	if _, err := o.Exports(t.Context(), "999900001111"); err == nil {
		t.Error("a list that failed is no list")
	}
	look(0, 2)
	look(0, 2)
	if _, err := o.CreateExport(t.Context(), "999900001111", agreement.NewExport{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	look(1, 2)
	if _, err := o.CreateExport(t.Context(), "999900001111", agreement.NewExport{Name: "refused"}); err == nil {
		t.Error("a refused export was made")
	}
	look(1, 3)
}
