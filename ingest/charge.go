// Package ingest takes what AWS delivers for a month: cost and usage report files, grouped into
// charges, and AWS's own invoices (type Bill). It says what the data is, never what it costs the
// customer: that is package rating.
package ingest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/arrears-billing/arrears/currency"
)

// A Key says which rows of a delivery make one charge (design 4). Texts are AWS's own; a NULL or
// missing column is the empty text.
type Key struct {
	Payer           string        `json:"payer"`   // bill_payer_account_id: the management account
	Account         string        `json:"account"` // line_item_usage_account_id
	Product         string        `json:"product"` // line_item_product_code
	Type            string        `json:"type"`    // line_item_line_item_type
	BillingEntity   string        `json:"billing_entity"`
	BillType        string        `json:"bill_type"` // Anniversary, Purchase, Refund
	InvoicingEntity string        `json:"invoicing_entity,omitempty"`
	LegalEntity     string        `json:"legal_entity,omitempty"` // seller of record; for Marketplace the vendor
	Invoice         string        `json:"invoice,omitempty"`      // bill_invoice_id; empty while the bill is open
	Currency        currency.Code `json:"currency"`
	Commitment      bool          `json:"commitment,omitempty"` // the row carries a reservation ARN
	Split           bool          `json:"split,omitempty"`      // split-cost row: operation EKSPod-EC2 or ECSTask-EC2
	Taxed           bool          `json:"taxed,omitempty"`      // the row has a tax type
	Class           Class         `json:"class,omitempty"`      // of Discount, Refund and Credit rows, by description
}

// A Class is what a Discount, Refund or Credit row is by its description, or what kind of
// discount a part inside a row is. The empty class means that the row is of another type.
type Class string

// Discount classes. They name rows in disguise (design 4, "Discounts in disguise") and the kinds
// of discounts inside rows ("Two forms of discounts").
const (
	ClassNone        Class = "none" // a Discount, Refund or Credit whose description fits no pattern
	ClassPartner     Class = "partner"
	ClassDistributor Class = "distributor"
	ClassEnterprise  Class = "enterprise"
	ClassPrivateRate Class = "private_rate"
	ClassBundled     Class = "bundled"
	ClassRIVolume    Class = "ri_volume"
)

// Line item types of AWS (aws.md 1.5). Types not named here are kept and quarantined by rating.
const (
	TypeUsage                   = "Usage"
	TypeDiscountedUsage         = "DiscountedUsage"
	TypeRIFee                   = "RIFee"
	TypeFee                     = "Fee"
	TypeSavingsPlanCoveredUsage = "SavingsPlanCoveredUsage"
	TypeSavingsPlanNegation     = "SavingsPlanNegation"
	TypeSavingsPlanRecurringFee = "SavingsPlanRecurringFee"
	TypeSavingsPlanUpfrontFee   = "SavingsPlanUpfrontFee"
	TypeTax                     = "Tax"
	TypeCredit                  = "Credit"
	TypeRefund                  = "Refund"
	TypeDiscount                = "Discount"
	TypeBundledDiscount         = "BundledDiscount"
	TypeEdpDiscount             = "EdpDiscount"
	TypePrivateRateDiscount     = "PrivateRateDiscount"
	TypeSppDiscount             = "SppDiscount"
	TypeDistributorDiscount     = "DistributorDiscount"
	TypeRiVolumeDiscount        = "RiVolumeDiscount"
	TypeFlatRateSubscription    = "FlatRateSubscription"
	TypeFlateRateSubscription   = "FlateRateSubscription" // as AWS's own table dictionary spells it
)

// Billing entities and bill types.
const (
	EntityAWS         = "AWS"
	EntityMarketplace = "AWS Marketplace"

	BillAnniversary = "Anniversary"
	BillPurchase    = "Purchase"
	BillRefund      = "Refund"
)

// IsDiscountType says whether rows of a type state a discount, so that they carry no discounts of
// their own.
func IsDiscountType(t string) bool {
	switch t {
	case TypeDiscount, TypeBundledDiscount, TypeEdpDiscount, TypePrivateRateDiscount, TypeSppDiscount,
		TypeDistributorDiscount, TypeRiVolumeDiscount:
		return true
	}
	return false
}

// A Charge is the exact sum of the rows of one key.
type Charge struct {
	Key
	Unblended currency.Decimal `json:"unblended"` // exact sum of line_item_unblended_cost
	Rows      int64            `json:"rows"`
	NonZero   int64            `json:"non_zero"` // rows with an amount other than 0: only these hold a month open

	// Discounts stated inside the rows, by their key as AWS names it without the column's prefix
	// ("spp_discount"), ascending by key, signed as net - unblended (a reduction is negative).
	// Totals (total_discount) are not parts. Empty for most charges.
	Parts []Part `json:"parts,omitempty"`
	// Rest is the exact sum, over the rows that have a net cost, of net - unblended - parts; Off
	// counts the rows where it is beyond 1e-6. Rows of discount types, rows with a discount class
	// other than none, and Tax rows are not compared.
	Rest currency.Decimal `json:"rest,omitzero"`
	Off  int64            `json:"off,omitempty"`
}

// A Part is the sum of one kind of discount inside the rows of a charge.
type Part struct {
	Key    string           `json:"key"`
	Amount currency.Decimal `json:"amount"`
}

// CompareKeys orders charges: the canonical order of a charge set.
func CompareKeys(a, b Key) int {
	// Field by field up to the first difference: sorting charges is a good part of reading a file.
	for _, pair := range [...][2]string{
		{a.Payer, b.Payer},
		{a.Account, b.Account},
		{a.Product, b.Product},
		{a.Type, b.Type},
		{a.BillingEntity, b.BillingEntity},
		{a.BillType, b.BillType},
		{a.InvoicingEntity, b.InvoicingEntity},
		{a.LegalEntity, b.LegalEntity},
		{a.Invoice, b.Invoice},
		{string(a.Currency), string(b.Currency)},
	} {
		if pair[0] != pair[1] {
			return strings.Compare(pair[0], pair[1])
		}
	}
	return cmp.Or(
		compareBools(a.Commitment, b.Commitment),
		compareBools(a.Split, b.Split),
		compareBools(a.Taxed, b.Taxed),
		strings.Compare(string(a.Class), string(b.Class)),
	)
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// A ChargeSet is what a month's files say: charges in canonical order, and labels that belong to
// no result but its texts. Charge sets add up exactly and in any order.
type ChargeSet struct {
	Charges []Charge `json:"charges"`
	Rows    int64    `json:"rows"`
	// Names are display names of products that the data's own table lacks, by product code.
	Names map[string]string `json:"names,omitempty"`
	// Descriptions of Discount rows of class none, by product code: the bytewise smallest, for the
	// person who has to decide what they are.
	Descriptions map[string]string `json:"descriptions,omitempty"`
}

// Merge returns the sum of charge sets: the same for any order and any partition of the rows.
// The sets are not changed.
func Merge(sets ...ChargeSet) ChargeSet {
	sum := ChargeSet{Names: map[string]string{}, Descriptions: map[string]string{}}
	at := map[Key]int{}
	for _, s := range sets {
		sum.Rows += s.Rows
		mergeLabels(sum.Names, s.Names)
		mergeLabels(sum.Descriptions, s.Descriptions)
		for _, c := range s.Charges {
			i, ok := at[c.Key]
			if !ok {
				at[c.Key] = len(sum.Charges)
				c.Parts = slices.Clone(c.Parts)
				sum.Charges = append(sum.Charges, c)
				continue
			}
			sum.Charges[i].add(c)
		}
	}
	slices.SortFunc(sum.Charges, func(a, b Charge) int { return CompareKeys(a.Key, b.Key) })
	return sum
}

func (c *Charge) add(d Charge) {
	c.Unblended = c.Unblended.Add(d.Unblended)
	c.Rows += d.Rows
	c.NonZero += d.NonZero
	c.Rest = c.Rest.Add(d.Rest)
	c.Off += d.Off
	for _, p := range d.Parts {
		i, ok := slices.BinarySearchFunc(c.Parts, p, func(a, b Part) int { return cmp.Compare(a.Key, b.Key) })
		if ok {
			c.Parts[i].Amount = c.Parts[i].Amount.Add(p.Amount)
		} else {
			c.Parts = slices.Insert(c.Parts, i, p)
		}
	}
}

// mergeLabels keeps the bytewise smallest label of each key, so that the order does not matter.
func mergeLabels(sum, more map[string]string) {
	for k, v := range more {
		if old, ok := sum[k]; !ok || v < old {
			sum[k] = v
		}
	}
}

// ByPayer returns the charges of one management account; "*" stands for all of them.
// Labels are kept whole.
func (s ChargeSet) ByPayer(id string) ChargeSet {
	if id == "*" {
		return s
	}
	own := s
	own.Charges = nil
	own.Rows = 0
	for _, c := range s.Charges {
		if c.Payer == id {
			own.Charges = append(own.Charges, c)
			own.Rows += c.Rows
		}
	}
	return own
}

// Has says that some row names the AWS invoice.
func (s ChargeSet) Has(awsInvoice string) bool {
	return slices.ContainsFunc(s.Charges, func(c Charge) bool { return c.Invoice == awsInvoice })
}

// Payers returns the management accounts in the set, ascending.
func (s ChargeSet) Payers() []string {
	var ids []string
	for _, c := range s.Charges {
		if len(ids) == 0 || ids[len(ids)-1] != c.Payer {
			ids = append(ids, c.Payer)
		}
	}
	return slices.Compact(ids)
}

// Fingerprint identifies the charges whatever files, order or packing they came in:
// "sha256:" and the hash of the sorted keys, exact sums and row counts. Labels are not part of it.
func (s ChargeSet) Fingerprint() string {
	h := sha256.New()
	var b []byte
	for _, c := range s.Charges {
		b = appendTexts(b[:0], c.Payer, c.Account, c.Product, c.Type, c.BillingEntity, c.BillType, c.InvoicingEntity,
			c.LegalEntity, c.Invoice, string(c.Currency), strconv.FormatBool(c.Commitment), strconv.FormatBool(c.Split),
			strconv.FormatBool(c.Taxed), string(c.Class), currency.Plain(c.Unblended),
			strconv.FormatInt(c.Rows, 10), strconv.FormatInt(c.NonZero, 10),
			currency.Plain(c.Rest), strconv.FormatInt(c.Off, 10), strconv.Itoa(len(c.Parts)))
		for _, p := range c.Parts {
			b = appendTexts(b, p.Key, currency.Plain(p.Amount))
		}
		_, _ = h.Write(b) // never fails
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// appendTexts writes texts with their lengths, so that no two lists of texts are alike.
func appendTexts(b []byte, texts ...string) []byte {
	for _, t := range texts {
		b = strconv.AppendInt(b, int64(len(t)), 10)
		b = append(b, ':')
		b = append(b, t...)
		b = append(b, ',')
	}
	return b
}
