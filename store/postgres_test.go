//go:build unix

package store_test

import (
	"path/filepath"
	"testing"

	"github.com/arrears-billing/arrears/store/storetest"
)

func TestPostgres(t *testing.T) {
	server := storetest.StartPostgres(t)
	storetest.Run(t, server.Place)
	t.Run("what pg_dump copies is the same store", server.Restore)
	t.Run("the same content gives the dump that SQLite gives", func(t *testing.T) {
		storetest.Same(t, dataDir{filepath.Join(t.TempDir(), "data")}, server.Place(t))
	})
}
