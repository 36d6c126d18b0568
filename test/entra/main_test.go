package entra_test

import (
	"testing"

	"github.com/secretctl/secretctl/test/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }
