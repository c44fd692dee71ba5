package focus

// A pipe hands sheets from the one who fills them to the one who writes them, side by side. Sheets
// come back to be filled again.
type pipe struct {
	full   chan *sheet
	empty  chan *sheet
	done   chan struct{}
	serial int
	err    error // of the encoder; read after failed or done is closed
	failed chan struct{}
	sums   []number // of costs, by slot
	encoder
}

// An encoder writes sheets as a file.
type encoder interface {
	encode(*sheet) error
	close() error
}

// sheets is how many there are: one is filled, one is written, one waits.
const sheets = 3

func newPipe(e encoder) *pipe {
	p := &pipe{
		full: make(chan *sheet, sheets), empty: make(chan *sheet, sheets), done: make(chan struct{}), failed: make(chan struct{}),
		sums: make([]number, numNumbers), encoder: e,
	}
	p.empty <- newSheet()
	go p.run()
	return p
}

func (p *pipe) run() {
	defer close(p.done)
	for s := range p.full {
		if p.err == nil {
			p.add(s)
			if p.err = p.encode(s); p.err != nil {
				close(p.failed)
			}
		}
		p.empty <- s
	}
	if p.err == nil {
		p.err = p.encoder.close()
	}
}

// add sums the costs up.
func (p *pipe) add(s *sheet) {
	for c := range numColumns {
		if columns[c].kind != kindCost {
			continue
		}
		k := slots[c]
		sum := p.sums[k]
		for i, v := range s.nums[k].values[:s.rows] {
			if s.nums[k].has[i] {
				sum = sum.Add(v)
			}
		}
		p.sums[k] = sum
	}
}

// take returns an empty sheet.
func (p *pipe) take() *sheet {
	p.serial++
	var s *sheet
	select {
	case s = <-p.empty:
	default:
		if p.serial <= sheets {
			s = newSheet()
		} else {
			s = <-p.empty
		}
	}
	s.reset(p.serial)
	return s
}

// give hands a sheet on; the error is that of an earlier one.
func (p *pipe) give(s *sheet) error {
	select {
	case <-p.failed:
		p.empty <- s // there is room for all of them
		return p.err
	case p.full <- s:
		return nil
	}
}

// close waits for the last sheet and ends the file.
func (p *pipe) close() ([]number, error) {
	close(p.full)
	<-p.done
	return p.sums, p.err
}
