package arrears

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/book"
	"github.com/arrears-billing/arrears/store"
)

// An ApplyReport says what apply did, or what is wrong with the books (contract.md, "apply").
type ApplyReport struct {
	Applied  bool           `json:"applied"`
	Objects  []store.Change `json:"objects"`
	Errors   []book.Error   `json:"errors"`
	Warnings []book.Error   `json:"warnings"` // probably a mistake, applied all the same
}

// Apply takes books over: all of them or, when anything is wrong, none, with every error at once.
// It is an upsert by id: what the books do not name stays, and every version is kept (I11). With
// dryRun nothing is written.
func (e *Engine) Apply(ctx context.Context, dryRun bool, paths ...string) (ApplyReport, error) {
	report := ApplyReport{Objects: []store.Change{}, Errors: []book.Error{}, Warnings: []book.Error{}}
	brought, errs, err := book.Load(paths...)
	if err != nil {
		return report, &Error{Code: "unreadable_book", Text: err.Error(), Err: err}
	}
	dir, err := e.directory(ctx)
	if err != nil {
		return report, err
	}
	all := brought.Merge(dir.book)
	kept, err := e.keepStated(ctx, dir.book, all)
	if err != nil {
		return report, err
	}
	errs = append(errs, book.Check(all)...)
	report.Warnings = book.Sort(append(kept, book.Warnings(all)...))
	if len(errs) > 0 {
		report.Errors = book.Sort(errs)
		return report, nil
	}
	objects, err := objectsOf(brought, all)
	if err != nil {
		return report, err
	}
	if e.DB == nil {
		for _, o := range objects {
			report.Objects = append(report.Objects, store.Change{Kind: o.Kind, ID: o.ID, Change: "created", Version: 1})
		}
		return report, nil
	}
	if dryRun {
		report.Objects, err = e.DB.CompareObjects(ctx, objects)
		return report, err
	}
	report.Objects, err = e.DB.PutObjects(ctx, e.AsOf, e.By, objects)
	report.Applied = err == nil
	return report, err
}

// keepStated puts back into the merged book what AWS has stated of agreements and the books leave
// empty, with a warning for each key.
func (e *Engine) keepStated(ctx context.Context, before, all book.Book) ([]book.Error, error) {
	warnings := []book.Error{}
	if e.DB == nil {
		return warnings, nil
	}
	lives := map[string]*agreement.Lifecycle{}
	if err := loadRecords(ctx, e.DB, kindLifecycle, lives, map[string]int64{}); err != nil {
		return nil, err
	}
	for i := range before.Agreements { // Merge keeps their order
		was, is := &before.Agreements[i], &all.Agreements[i]
		if l := lives[was.ID]; l != nil {
			for _, key := range l.Keep(was, is) {
				warnings = append(warnings, all.Kept(i, key))
			}
		}
	}
	return warnings, nil
}

// objectsOf returns the objects that the books name, as they are after merging.
func objectsOf(brought, all book.Book) ([]store.Object, error) {
	var out []store.Object
	add := func(kind, id string, v any) error {
		body, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("%s %s: %w", kind, id, err)
		}
		out = append(out, store.Object{Kind: kind, ID: id, Body: body})
		return nil
	}
	named := map[string]bool{}
	for _, s := range brought.Sellers {
		named[kindSeller+s.ID] = true
	}
	for _, b := range brought.Buyers {
		named[kindBuyer+b.ID] = true
	}
	for _, p := range brought.Payers {
		named[kindPayer+string(p.Account)] = true
	}
	for _, a := range brought.Agreements {
		named[kindAgreement+a.ID] = true
	}
	var err error
	put := func(kind, id string, v any) {
		if err == nil && named[kind+id] {
			err = add(kind, id, v)
		}
	}
	for _, s := range all.Sellers {
		put(kindSeller, s.ID, s)
	}
	for _, b := range all.Buyers {
		put(kindBuyer, b.ID, b)
	}
	for _, p := range all.Payers {
		put(kindPayer, string(p.Account), p)
	}
	for _, a := range all.Agreements {
		put(kindAgreement, a.ID, a)
	}
	return out, err
}
