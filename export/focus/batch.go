package focus

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/ingest/cur"
)

// A translation turns the ids of a column of AWS's file into those of a column that is written.
type translation struct {
	to      column
	from    cur.Text
	convert func([]byte) []byte // nil: the text stays
	dict    any
	serial  int
	ids     []int32 // by id of the file, larger by 2; 0 is not known yet
}

// begin takes up the batch's column.
func (t *translation) begin(x cur.Text, s *sheet) {
	t.from = x
	if t.dict != x.Dictionary() || t.serial != s.serial {
		t.ids = t.ids[:0]
	}
	t.dict, t.serial = x.Dictionary(), s.serial
	t.ids = t.ids[:min(len(t.ids), x.Kept()+1)]
	t.ids = append(t.ids, make([]int32, x.IDs()-len(t.ids))...)
}

// id returns what row i has in the sheet.
func (t *translation) id(i int, s *sheet) int32 {
	from := t.from.ID(i)
	if from == 0 {
		return none
	}
	if t.serial != s.serial {
		t.serial = s.serial
		clear(t.ids)
	}
	if id := t.ids[from]; id != 0 {
		return id - 2
	}
	value := t.from.Value(from)
	if t.convert != nil {
		value = t.convert(value)
	}
	id := s.id(t.to, value)
	t.ids[from] = id + 2
	return id
}

// input is the batch that is being written, with what is kept from one to the next.
type input struct {
	*cur.Batch
	plain []*translation // columns that are taken over as they are
	from  []cur.Column   // of plain

	resource, details     translation
	pricing, consumed     translation
	skus, codes           translation
	kinds                 []int32 // resource types by the ids of resources, larger by 2
	kindsSerial           int
	regions               [3]region
	lineItem              cur.Text
	term                  cur.Text
	rateCode              cur.Text
	usageType             cur.Text
	savingsPlan, reserved cur.Text
	capacity              cur.Text

	unblended, unblendedRate, publicRate, quantity cur.Money
	planEffective, reservedEffective, normalized   cur.Money

	lastTags, lastName, lastCategories int32
	lastRow, lastSerial                int
	objects                            map[string]object
	objectsSerial                      int
	buffer                             []byte
}

// An object is a map of texts as JSON, with the display name that it holds.
type object struct{ json, name int32 }

// A region is a way to tell the region of a row.
type region struct{ id, name translation }

func newInput() *input {
	in := &input{objects: map[string]object{}, lastRow: -1}
	take := func(from cur.Column, to column, convert func([]byte) []byte) {
		in.plain = append(in.plain, &translation{to: to, convert: convert})
		in.from = append(in.from, from)
	}
	take(cur.AccountName, cSubAccountName, nil)
	take(cur.Operation, xOperation, nil)
	take(cur.Description, cChargeDescription, nil)
	take(cur.UsageType, xUsageType, nil)
	take(cur.UsageType, cSkuMeter, nil)
	take(cur.Zone, cAvailabilityZone, nil)
	take(cur.PricingUnit, cPricingUnit, func(u []byte) []byte { return []byte(unit(string(u))) })
	in.resource.to, in.details.to, in.skus.to, in.codes.to = cResourceID, cSkuPriceDetails, cSkuID, cSkuPriceID
	in.consumed = translation{to: cConsumedUnit, convert: func(u []byte) []byte { return []byte(unit(string(u))) }}
	in.pricing = translation{to: cPricingCategory, convert: func(u []byte) []byte {
		if bytes.Contains(u, []byte("SpotUsage")) {
			return []byte("Dynamic")
		}
		return []byte("Standard")
	}}
	for i := range in.regions {
		in.regions[i].id.to, in.regions[i].name.to = cRegionID, cRegionName
	}
	return in
}

// regionColumns are the columns that tell the region of a row, best first: where the product is
// sold, then the end of a transfer that is in a region.
var regionColumns = [3][2]cur.Column{
	{cur.RegionCode, cur.Location}, {cur.FromRegionCode, cur.FromLocation}, {cur.ToRegionCode, cur.ToLocation},
}

// begin takes up a batch.
func (in *input) begin(b *cur.Batch, s *sheet) {
	in.Batch, in.lastRow = b, -1
	for i, t := range in.plain {
		t.begin(b.Text(in.from[i]), s)
	}
	in.resource.begin(b.Text(cur.Resource), s)
	in.pricing.begin(b.Text(cur.UsageType), s)
	in.consumed.begin(b.Text(cur.PricingUnit), s)
	in.skus.begin(b.Text(cur.SKU), s)
	in.codes.begin(b.Text(cur.RateCode), s)
	in.details.begin(b.Text(cur.RateCode), s)
	for i, c := range regionColumns {
		in.regions[i].id.begin(b.Text(c[0]), s)
		in.regions[i].name.begin(b.Text(c[1]), s)
	}
	in.lineItem, in.term, in.rateCode = b.Text(cur.LineItem), b.Text(cur.PricingTerm), b.Text(cur.RateCode)
	in.usageType, in.savingsPlan, in.reserved = b.Text(cur.UsageType), b.Text(cur.SavingsPlan), b.Text(cur.Reservation)
	in.capacity = b.Text(cur.Capacity)
	in.unblended, in.unblendedRate, in.publicRate = b.Money(cur.Unblended), b.Money(cur.UnblendedRate), b.Money(cur.PublicRate)
	in.quantity, in.normalized = b.Money(cur.UsageAmount), b.Money(cur.NormalizedAmount)
	in.planEffective, in.reservedEffective = b.Money(cur.SavingsPlanEffective), b.Money(cur.ReservationEffective)
}

// read returns the amount in row i of a column; false is NULL.
func read(m cur.Money, i int) (amount, bool, error) {
	if u, ok := m.Units(i); ok {
		return amount{units: u}, true, nil
	}
	d, ok, err := m.Decimal(i)
	return amountOf(d), ok, err
}

// common sets what a row has whatever it becomes: where, what of, and how it is called.
func (in *input) common(r *cells, i int, product string) error {
	s := r.sheet
	for _, t := range in.plain {
		r.setID(t.to, t.id(i, s))
	}
	if resource := in.resource.id(i, s); resource != none {
		r.setID(cResourceID, resource)
		if r.setID(cResourceType, in.kind(resource, s)); r.texts[slots[cResourceType]] == none {
			r.setText(cResourceType, product)
		}
	}
	if err := in.region(r, i); err != nil {
		return err
	}
	if err := in.tags(r, i); err != nil {
		return err
	}
	r.setID(xLineItemID, s.id(xLineItemID, in.lineItem.At(i)))
	if !in.capacity.Absent() && in.capacity.ID(i) != 0 {
		r.setID(cCapacityReservationID, s.id(cCapacityReservationID, in.capacity.At(i)))
		if string(in.Text(cur.CapacityStatus).At(i)) == "Unused" {
			r.setText(cCapacityReservationStatus, "Unused")
		} else {
			r.setText(cCapacityReservationStatus, "Used")
		}
	}
	return nil
}

// kind returns the type of a resource of the sheet; none when its id does not tell.
func (in *input) kind(resource int32, s *sheet) int32 {
	if in.kindsSerial != s.serial {
		in.kinds, in.kindsSerial = in.kinds[:0], s.serial
	}
	for int(resource) >= len(in.kinds) {
		in.kinds = append(in.kinds, 0)
	}
	if in.kinds[resource] == 0 {
		in.kinds[resource] = 2 + s.id(cResourceType, []byte(resourceType(s.texts[slots[cResourceID]].values[resource])))
	}
	return in.kinds[resource] - 2
}

// region sets the region of row i: its own, that of a transfer's end, or the one in the map of
// the product, where AWS writes "global" for what has none.
func (in *input) region(r *cells, i int) error {
	for k := range in.regions {
		g := &in.regions[k]
		if id := g.id.id(i, r.sheet); id != none {
			r.setID(cRegionID, id)
			name := g.name.id(i, r.sheet)
			if name == none {
				name = r.sheet.id(cRegionName, []byte(r.sheet.texts[slots[cRegionID]].values[id]))
			}
			r.setID(cRegionName, name)
			return nil
		}
	}
	region := string(in.Text(cur.Region).At(i))
	if region == "" {
		if err := in.Map(cur.Product, i, func(key, value []byte) {
			if string(key) == "region" {
				region = string(value)
			}
		}); err != nil {
			return err
		}
	}
	if region == "" {
		return nil
	}
	r.setText(cRegionID, region)
	if name := string(in.Text(cur.Location).At(i)); name != "" {
		r.setText(cRegionName, name)
	} else {
		r.setText(cRegionName, region)
	}
	return nil
}

// sku sets what the price of row i is of. It returns false when AWS names no price: then the
// product's code and the usage type stand for one, so that a row with a price has a SKU.
func (w *writer) sku(r *cells, i int, k ingest.Key) error {
	in, s := w.in, r.sheet
	sku, code := in.skus.id(i, s), in.codes.id(i, s)
	if sku == none {
		before, _, ok := bytes.Cut(in.rateCode.At(i), []byte("."))
		if !ok {
			before = []byte(strings.TrimSuffix(k.Product+":"+string(in.usageType.At(i)), ":"))
		}
		sku = s.id(cSkuID, before)
	}
	if code == none {
		code = s.id(cSkuPriceID, []byte(s.texts[slots[cSkuID]].values[sku]+":"+k.Type))
	}
	r.setID(cSkuID, sku)
	r.setID(cSkuPriceID, code)
	from := in.rateCode.ID(i)
	if from == 0 {
		return nil
	}
	if in.details.serial != s.serial {
		in.details.serial = s.serial
		clear(in.details.ids)
	}
	if in.details.ids[from] == 0 {
		price := s.texts[slots[cSkuPriceID]].values[code]
		text, known := w.prices[price]
		if !known {
			var err error
			if text, err = in.priceDetails(i); err != nil {
				return err
			}
			w.prices[price] = text
		}
		in.details.ids[from] = s.id(cSkuPriceDetails, []byte(text)) + 2
	}
	r.setID(cSkuPriceDetails, in.details.ids[from]-2)
	return nil
}

// priceDetails are the properties of a price, by the names that the specification lists.
func (in *input) priceDetails(i int) (string, error) {
	m := map[string]any{}
	text := func(name string, value []byte) {
		if len(value) > 0 {
			m[name] = string(value)
		}
	}
	text("InstanceType", in.Text(cur.InstanceType).At(i))
	text("InstanceSeries", in.Text(cur.InstanceFamily).At(i))
	text("x_ProductFamily", in.Text(cur.ProductFamily).At(i))
	text("x_PricingTerm", in.term.At(i))
	err := in.Map(cur.Product, i, func(key, value []byte) {
		switch string(key) {
		case "operating_system":
			text("OperatingSystem", value)
		case "storage_class":
			text("StorageClass", value)
		case "volume_type":
			text("DiskType", value)
		case "vcpu":
			if n, err := currency.Parse(string(value)); err == nil {
				m["CoreCount"] = json.Number(currency.Plain(n))
			}
		case "memory":
			if number, ok := bytes.CutSuffix(value, []byte(" GiB")); ok {
				if n, err := currency.Parse(string(number)); err == nil {
					m["MemorySize"] = json.Number(currency.Plain(n))
				}
			}
		}
	})
	if err != nil || len(m) == 0 {
		return "", err
	}
	b, err := json.Marshal(m)
	return string(b), err
}

// tags sets the tags and cost categories of row i.
func (in *input) tags(r *cells, i int) error {
	s := r.sheet
	same := in.lastRow == i-1 && i > 0 && in.lastSerial == s.serial && in.SameMap(cur.Tags, i)
	if !same {
		o, err := in.object(cur.Tags, cTags, i, s)
		if err != nil {
			return err
		}
		in.lastTags, in.lastName = o.json, o.name
	}
	if !same || !in.SameMap(cur.CostCategories, i) {
		o, err := in.object(cur.CostCategories, xCostCategories, i, s)
		if err != nil {
			return err
		}
		in.lastCategories = o.json
	}
	in.lastRow, in.lastSerial = i, s.serial
	r.setID(cTags, in.lastTags)
	r.setID(xCostCategories, in.lastCategories)
	if r.texts[slots[cResourceID]] != none {
		r.setID(cResourceName, in.lastName)
	}
	return nil
}

// object returns a map of row i as a JSON object with its keys in order; an empty one is NULL.
func (in *input) object(from cur.Column, to column, i int, s *sheet) (object, error) {
	if in.objectsSerial != s.serial {
		clear(in.objects)
		in.objectsSerial = s.serial
	}
	in.buffer = append(in.buffer[:0], byte(to))
	if err := in.Map(from, i, func(key, value []byte) {
		in.buffer = append(append(in.buffer, key...), 0)
		in.buffer = append(append(in.buffer, value...), 0)
	}); err != nil {
		return object{none, none}, err
	}
	if len(in.buffer) == 1 {
		return object{none, none}, nil
	}
	if o, ok := in.objects[string(in.buffer)]; ok {
		return o, nil
	}
	m, name := map[string]any{}, ""
	fields := strings.Split(string(in.buffer[1:]), "\x00")
	for f := 0; f+1 < len(fields); f += 2 {
		key, value := fields[f], fields[f+1]
		if to == cTags && key == "user_name" {
			name = value
		}
		if value == "" {
			m[tagKey(key)] = true // a tag without a value
		} else {
			m[tagKey(key)] = value
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return object{none, none}, err
	}
	o := object{s.id(to, b), none}
	if name != "" {
		o.name = s.id(cResourceName, []byte(name))
	}
	in.objects[string(in.buffer)] = o
	return o, nil
}

// tagKey is a tag's key without the prefix that CUR gives it: user_team is the customer's team,
// aws_created_by is AWS's, and such keys keep a prefix.
func tagKey(key string) string {
	if own, ok := strings.CutPrefix(key, "user_"); ok && own != "" {
		return own
	}
	if own, ok := strings.CutPrefix(key, "aws_"); ok && own != "" {
		return "aws:" + own
	}
	return key
}

// resourceType tells what a resource is from its id: AWS states no type. Empty when the id does
// not tell.
func resourceType(id string) string {
	if parts := strings.SplitN(id, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		kind, _, found := strings.Cut(parts[5], "/")
		if !found {
			kind, _, found = strings.Cut(parts[5], ":")
		}
		switch {
		case found && kind != "":
			return kind
		case parts[2] == "s3":
			return "bucket"
		}
		return parts[2]
	}
	prefix, _, ok := strings.Cut(id, "-")
	if i := slices.IndexFunc(resourcePrefixes, func(p [2]string) bool { return p[0] == prefix }); ok && i >= 0 {
		return resourcePrefixes[i][1]
	}
	return ""
}

// resourcePrefixes are the beginnings of resource ids that are no ARN, and what they are of.
var resourcePrefixes = [][2]string{
	{"i", "instance"}, {"vol", "volume"}, {"snap", "snapshot"}, {"eni", "network-interface"}, {"nat", "natgateway"},
	{"vpce", "vpc-endpoint"}, {"eipalloc", "elastic-ip"}, {"tgw", "transit-gateway"}, {"fs", "file-system"},
	{"ami", "image"}, {"vpn", "vpn-connection"}, {"cluster", "cluster"},
}
