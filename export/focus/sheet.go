package focus

// sheetRows is how many rows are gathered by column before they are written: a row group.
const sheetRows = 1 << 16

// slots gives each column its place among those of its sort: texts, numbers, times.
var slots, numTexts, numNumbers, numTimes = func() (at [numColumns]int, texts, numbers, times int) {
	for c := range numColumns {
		n := &texts
		switch k := columns[c].kind; {
		case k == kindTime:
			n = &times
		case k.decimal():
			n = &numbers
		}
		at[c] = *n
		*n++
	}
	return at, texts, numbers, times
}()

// A sheet holds rows by column. Texts are kept once each: a row has their ids.
type sheet struct {
	serial int // tells sheets apart, whose ids differ
	rows   int
	texts  []texts
	tile   []int32 // ids of the last rows, row by row: see settle
	nums   []nums
	times  [][]int64 // microseconds since 1970 UTC
}

// none is the id of NULL.
const none = int32(-1)

// texts is a column of texts.
type texts struct {
	ids    []int32
	values []string
	index  map[string]int32

	// Of a column whose texts nearly all differ: the texts one after the other, and where each ends.
	data    []byte
	offsets []int32
}

// value returns the text of an id.
func (t *texts) value(id int32) string {
	if t.offsets != nil {
		return string(t.data[t.offsets[id]:t.offsets[id+1]])
	}
	return t.values[id]
}

// nums is a column of numbers; NULL where has is false.
type nums struct {
	values []number
	has    []bool
}

func newSheet() *sheet {
	s := &sheet{tile: make([]int32, tileRows*numTexts), texts: make([]texts, numTexts), nums: make([]nums, numNumbers), times: make([][]int64, numTimes)}
	for i := range s.texts {
		s.texts[i] = texts{ids: make([]int32, sheetRows), index: map[string]int32{}}
	}
	for c := range numColumns {
		if columns[c].kind == kindID {
			s.texts[slots[c]].offsets = make([]int32, 1, sheetRows+1)
		}
	}
	for i := range s.nums {
		s.nums[i] = nums{make([]number, sheetRows), make([]bool, sheetRows)}
	}
	for i := range s.times {
		s.times[i] = make([]int64, sheetRows)
	}
	return s
}

// reset makes the sheet empty; ids are given anew.
func (s *sheet) reset(serial int) {
	s.serial, s.rows = serial, 0
	for i := range s.texts {
		s.texts[i].values = s.texts[i].values[:0]
		clear(s.texts[i].index)
		s.texts[i].data = s.texts[i].data[:0]
		if s.texts[i].offsets != nil {
			s.texts[i].offsets = s.texts[i].offsets[:1]
		}
	}
}

// id returns the id of a text in the column, a new one if need be. The empty text is NULL.
func (s *sheet) id(c column, value []byte) int32 {
	if len(value) == 0 {
		return none
	}
	t := &s.texts[slots[c]]
	if columns[c].kind == kindID {
		t.data = append(t.data, value...)
		t.offsets = append(t.offsets, int32(len(t.data))) //nolint:gosec // 64 Ki ids of AWS's
		return int32(len(t.offsets) - 2)                  //nolint:gosec // as above
	}
	if id, ok := t.index[string(value)]; ok {
		return id
	}
	id := int32(len(t.values)) //nolint:gosec // at most the rows of a sheet
	v := string(value)
	t.values = append(t.values, v)
	t.index[v] = id
	return id
}

// cells are the values of a row to be written: ids of texts, numbers, times. What is not set is NULL.
type cells struct {
	sheet *sheet
	texts []int32
	nums  []number
	has   []bool
	times []int64
}

func newCells(s *sheet) *cells {
	c := &cells{s, make([]int32, numTexts), make([]number, numNumbers), make([]bool, numNumbers), make([]int64, numTimes)}
	c.clear()
	return c
}

func (r *cells) clear() {
	for i := range r.texts {
		r.texts[i] = none
	}
	clear(r.has)
}

// copy takes over all values of another row.
func (r *cells) copy(o *cells) {
	copy(r.texts, o.texts)
	copy(r.nums, o.nums)
	copy(r.has, o.has)
	copy(r.times, o.times)
}

func (r *cells) setText(c column, v string) { r.texts[slots[c]] = r.sheet.id(c, []byte(v)) }

func (r *cells) setID(c column, id int32) { r.texts[slots[c]] = id }

func (r *cells) null(c column) { r.texts[slots[c]] = none }

func (r *cells) setTime(c column, seconds int64) { r.times[slots[c]] = seconds * 1_000_000 }

func (r *cells) setNumber(c column, n number) { r.nums[slots[c]], r.has[slots[c]] = n, true }

// setCosts sets all costs of a row that neither covers nor is covered, and has no prices.
func (r *cells) setCosts(n number) {
	for _, c := range []column{cBilledCost, cEffectiveCost, cListCost, cContractedCost} {
		r.setNumber(c, n)
	}
}

// tileRows is how many rows are gathered before their ids go to the columns: writing each row to
// sixty columns far apart would miss the cache sixty times.
const tileRows = 32

// add adds a row to the sheet, which must have room. Its ids are in place after settle.
func (s *sheet) add(r *cells) {
	i := s.rows
	copy(s.tile[i%tileRows*numTexts:], r.texts)
	for c := range r.nums {
		s.nums[c].values[i], s.nums[c].has[i] = r.nums[c], r.has[c]
	}
	for c, t := range r.times {
		s.times[c][i] = t
	}
	if s.rows++; s.rows%tileRows == 0 {
		s.place(s.rows - tileRows)
	}
}

// settle puts the ids of the last rows in place.
func (s *sheet) settle() {
	if s.rows%tileRows != 0 {
		s.place(s.rows / tileRows * tileRows)
	}
}

// place moves the tile to the columns, from row first on.
func (s *sheet) place(first int) {
	for c := range s.texts {
		ids := s.texts[c].ids[first:s.rows]
		for k := range ids {
			ids[k] = s.tile[k*numTexts+c]
		}
	}
}
