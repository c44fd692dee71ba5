package simulator

import (
	"net/http"
)

// A Fault is a disturbance of the next calls that fit it.
type Fault struct {
	Service   string `json:"service"`   // as signed for, such as organizations; empty: any
	Operation string `json:"operation"` // such as AcceptHandshake; empty: any
	Account   string `json:"account"`   // the caller's; empty: any
	Kind      string `json:"kind"`      // see below
	Skip      int    `json:"skip"`      // calls that pass before it strikes
	Times     int    `json:"times"`     // how often it strikes; 0 means once, -1 always
	// For kind error: what AWS answers, without any effect.
	Code    string `json:"code,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Status  int    `json:"status,omitempty"`
}

// Kinds of faults.
const (
	FaultThrottle = "throttle" // the service's throttling error, no effect
	FaultInternal = "internal" // the service's internal error with status 500, no effect
	FaultError    = "error"    // the error named, no effect
	FaultHang     = "hang"     // no answer until the client gives up, no effect
	FaultDrop     = "drop"     // the connection breaks before the effect
	FaultLost     = "lost"     // the effect happens, the connection breaks before the answer
	FaultLost500  = "lost_500" // the effect happens, the answer is the service's internal error
)

// AddFault makes the next calls that fit it fail. Faults strike in the order they were added.
func (s *Simulator) AddFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &f)
}

// fault returns the fault that strikes this call, or nil.
func (s *Simulator) fault(service, operation, account string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Times == 0 || f.Service != "" && f.Service != service || f.Operation != "" && f.Operation != operation ||
			f.Account != "" && f.Account != account {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		struck := *f
		return &struck
	}
	return nil
}

// before answers for faults without an effect, and says whether it did.
func (f *Fault) before(_ *Simulator, w http.ResponseWriter, r *http.Request, svc *service) bool {
	switch f.Kind {
	case FaultThrottle:
		status := http.StatusBadRequest
		if svc.protocol == restJSON {
			status = http.StatusTooManyRequests
		}
		svc.writeError(w, &Error{Code: svc.throttle, Message: "Rate exceeded", Status: status})
	case FaultInternal:
		svc.writeError(w, svc.failure())
	case FaultError:
		svc.writeError(w, &Error{Code: f.Code, Reason: f.Reason, Message: f.Message, Status: f.Status})
	case FaultHang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case FaultDrop:
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	return true
}

// after answers for faults that hide an effect, and says whether it did.
func (f *Fault) after(w http.ResponseWriter, svc *service) bool {
	switch f.Kind {
	case FaultLost:
		panic(http.ErrAbortHandler)
	case FaultLost500:
		svc.writeError(w, svc.failure())
		return true
	}
	return false
}

func (svc *service) failure() *Error {
	return &Error{Code: svc.internal, Message: "internal failure", Status: http.StatusInternalServerError}
}
