package boot_test

import (
	"testing"

	"minato.dev/minato/internal/boot"
)

func TestID(t *testing.T) {
	t.Parallel()
	first, err := boot.ID()
	if err != nil || len(first) != len("6fd5e9c2-0b8d-4f0e-9a3a-2a6e5c1f7b40") {
		t.Errorf("ID = %q, %v; want a UUID", first, err)
	}
	if again, _ := boot.ID(); again != first {
		t.Errorf("ID = %q and then %q within one boot", first, again)
	}
}
