package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/cost"
)

const costPath = "/cost"

// Costs are what the clusters of a server would cost as managed ones.
type Costs struct {
	At       time.Time     `json:"at"` // by Minato's clock
	Prices   cost.Prices   `json:"prices"`
	Clusters []ClusterCost `json:"clusters"`
	Total    cost.Cost     `json:"total"`
}

// ClusterCost is one cluster in Costs.
type ClusterCost struct {
	Account     string    `json:"account"`
	Region      string    `json:"region"`
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	CreatedAt   time.Time `json:"createdAt"`
	Workers     int       `json:"workers"` // EC2 instances that are its nodes now
	WorkerVCPUs int       `json:"workerVcpus"`
	cost.Cost
}

// cost answers GET /cost.
func (s Server) cost(w http.ResponseWriter, r *http.Request) {
	costs, err := s.Costs(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(costs)
}

// GetCosts asks the running server what its clusters would cost.
func GetCosts(ctx context.Context, dir home.Dir) (costs Costs, err error) {
	status, body, err := exchange(ctx, askTimeout, dir, http.MethodGet, costPath, nil)
	if err != nil {
		return costs, err
	}
	if status != http.StatusOK {
		return costs, minato.Errorf(minato.Unavailable, "%s", body)
	}
	return costs, json.Unmarshal(body, &costs)
}
