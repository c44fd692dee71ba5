//go:build !unix

package store

import (
	"errors"
	"os"
)

// tryLock: without a lock that ends with its process, a killed writer would lock the data for good.
func tryLock(*os.File, bool) (bool, error) {
	return false, errors.New("this system has no file locks that the program knows: use PostgreSQL (--database)")
}
