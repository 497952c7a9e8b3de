package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/internal/home"
)

const clockPath = "/clock"

// Clock is what a server's clock shows.
type Clock struct {
	Now time.Time `json:"now"`
	// Test is whether it may be moved; Ahead is how far it is ahead of the machine's.
	Test  bool          `json:"test"`
	Ahead time.Duration `json:"aheadNanoseconds"`
}

// advance answers POST /clock?by=1h: a Clock, or a message with status 400.
func (s Server) advance(w http.ResponseWriter, r *http.Request) {
	by, err := time.ParseDuration(r.URL.Query().Get("by"))
	var now Clock
	if err == nil {
		now, err = s.AdvanceClock(r.Context(), by)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(now)
}

// AdvanceClock moves the running server's clock ahead, and answers once every process goes by it.
func AdvanceClock(ctx context.Context, dir home.Dir, by time.Duration) (now Clock, err error) {
	status, body, err := exchange(ctx, askTimeout, dir, http.MethodPost, clockPath+"?by="+by.String(), nil)
	if err != nil {
		return now, err
	}
	if status != http.StatusOK {
		return now, minato.Errorf(minato.Invalid, "%s", body)
	}
	return now, json.Unmarshal(body, &now)
}
