package aws_test

import (
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/arrears-billing/arrears/aws/simulator"
)

// Clients that know nothing of this project are served: boto3 acts as reseller, partner and
// customers, sees AWS's errors, and all that passes fits AWS's models.
func TestBoto3(t *testing.T) {
	program, folder := python(t)
	ms := loadModels(t, folder)
	w := &world{Simulator: simulator.New(time.Now)}
	server := httptest.NewServer(w)
	defer server.Close()
	cmd := exec.CommandContext(t.Context(), program, "testdata/foreign.py", server.URL, simulator.Secret)
	cmd.Env = append(cmd.Environ(), "AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent", "AWS_EC2_METADATA_DISABLED=true")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "is satisfied") {
		t.Fatalf("boto3: %v\n%s", err, out)
	}
	w.checkModels(t, ms)
}
