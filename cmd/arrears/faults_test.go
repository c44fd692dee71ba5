package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/arrears-billing/arrears/aws/simulator"
)

// changes are the calls of the lifecycle that change something at AWS, until the final month is
// issued.
var changes = []string{
	"InviteOrganizationToTransferResponsibility", "CreateBillingGroup", "CreateRelationship", "CreateChannelHandshake",
	"PutReportDefinition", "TerminateResponsibilityTransfer",
}

// tickUntil ticks, an hour later each time, until done says so.
func (h *house) tickUntil(what string, done func() bool) {
	h.Helper()
	for range 12 {
		var stdout, stderr bytes.Buffer
		if got := run(h.Context(), []string{"--as-of", h.now, "tick"}, &stdout, &stderr); got != exitDone && got != exitLook {
			h.Fatalf("%s: tick: exit %d\n%s%s", what, got, stdout.String(), stderr.String())
		}
		if done() {
			return
		}
		now, err := time.Parse(time.RFC3339, h.now)
		h.must(err)
		h.at(now.Add(time.Hour).Format(time.RFC3339))
	}
	h.Fatalf("%s: not after 12 ticks\norder %v\nagreement %v", what, h.run(0, "order", "show", "ORD-0001"), h.run(0, "agreement", "show", "AGR-0001"))
}

// When each change at AWS goes wrong once, in whatever way, the agreement runs its course all the
// same, and nothing at AWS is made twice or left behind.
func TestLifecycleUnderFaults(t *testing.T) {
	for _, kind := range []string{simulator.FaultThrottle, simulator.FaultInternal, simulator.FaultDrop, simulator.FaultLost, simulator.FaultLost500} {
		t.Run(kind, func(t *testing.T) {
			h := newHouse(t)
			for _, operation := range changes {
				h.aws.AddFault(simulator.Fault{Operation: operation, Kind: kind})
			}
			field := func(command, id, field string) func(want any) func() bool {
				return func(want any) func() bool {
					return func() bool { return h.run(0, command, "show", id)[field] == want }
				}
			}
			waits, orderIs, agreementIs := field("order", "ORD-0001", "waiting_for"), field("order", "ORD-0001", "status"), field("agreement", "AGR-0001", "status")

			h.run(0, "order", "create", "-f", h.file("order.yaml", lifecycleOrder))
			h.run(0, "order", "submit", "ORD-0001", "--by", "ann@buyer.example", "--accept", "marketplace,services")
			h.tickUntil("invitation", waits("transfer_acceptance"))
			h.accept("transfer")
			h.tickUntil("service term", waits("handshake_acceptance"))
			h.accept("term")
			h.must(h.aws.DeployRole(simulator.Role{Account: "111122223333", Name: "EssentialsBootstrapRole", Trusts: []string{"999900001111"}}))
			h.tickUntil("completion", orderIs("completed"))
			h.wantField(h.run(0, "agreement", "show", "AGR-0001"), "status", "active")
			h.at("2026-03-01T06:00:00Z")
			h.tickUntil("delivery", func() bool {
				d, _ := h.run(0, "agreement", "show", "AGR-0001")["delivery"].(map[string]any)
				return d["kind"] == "legacy"
			})
			s := h.aws.State()
			if len(s.Transfers) != 1 || len(s.BillingGroups) != 1 || len(s.Relationships) != 1 || len(s.ChannelHandshakes) != 1 || len(s.Reports) != 1 {
				t.Errorf("at AWS: %d transfers, %d billing groups, %d relationships, %d channel handshakes, %d reports, want one of each",
					len(s.Transfers), len(s.BillingGroups), len(s.Relationships), len(s.ChannelHandshakes), len(s.Reports))
			}

			h.at("2027-03-02T09:00:00Z")
			h.run(0, "order", "create", "-f", h.file("end.yaml", "type: termination\nagreement: AGR-0001\ncontact: {name: Ann, email: ann@buyer.example}\n"))
			h.run(0, "order", "submit", "ORD-0002", "--by", "ann@buyer.example", "--accept", "marketplace,services")
			h.tickUntil("termination", agreementIs("terminating"))
			if got := h.aws.State().Transfers[0]["Status"]; got != "WITHDRAWN" {
				t.Errorf("the transfer is %v, want WITHDRAWN", got)
			}
			h.wantField(h.run(0, "agreement", "show", "AGR-0001"), "last_month", "2027-03")
			for _, f := range h.aws.State().Faults {
				if f.Times != 0 {
					t.Errorf("%s of %s never struck", kind, f.Operation)
				}
			}
		})
	}
}
