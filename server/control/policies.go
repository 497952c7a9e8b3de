package control

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"minato.dev/minato"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/eks"
)

// Policies keeps the access policies that customers make. An empty account is the server's first. Errors are for whoever asked.
type Policies struct {
	Put    func(ctx context.Context, account, name, rules string) (eks.CustomPolicy, error)
	Get    func(ctx context.Context, account, name string) (eks.CustomPolicy, error)
	List   func(ctx context.Context, account string) ([]eks.CustomPolicy, error)
	Delete func(ctx context.Context, account, name string) error
}

// policiesPath is where policies are; + /name for one.
const policiesPath = "/access/policies"

// register serves policies: each answers JSON, or a message with status 400.
func (p Policies) register(mux *http.ServeMux) {
	handle := func(pattern string, do func(r *http.Request, account string) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxQuestion)
			answer, err := do(r, r.URL.Query().Get("account"))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(answer)
		})
	}
	handle("GET "+policiesPath, func(r *http.Request, account string) (any, error) { return p.List(r.Context(), account) })
	handle("GET "+policiesPath+"/{name}", func(r *http.Request, account string) (any, error) {
		return p.Get(r.Context(), account, r.PathValue("name"))
	})
	handle("PUT "+policiesPath+"/{name}", func(r *http.Request, account string) (any, error) {
		rules, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		return p.Put(r.Context(), account, r.PathValue("name"), string(rules))
	})
	handle("DELETE "+policiesPath+"/{name}", func(r *http.Request, account string) (any, error) {
		return nil, p.Delete(r.Context(), account, r.PathValue("name"))
	})
}

// PutPolicy has the running server write an access policy, and answers once it holds.
func PutPolicy(ctx context.Context, dir home.Dir, account, name string, rules []byte) (policy eks.CustomPolicy, err error) {
	err = askPolicies(ctx, dir, http.MethodPut, account, name, rules, &policy)
	return policy, err
}

// GetPolicy reads an access policy that a customer made from the running server.
func GetPolicy(ctx context.Context, dir home.Dir, account, name string) (policy eks.CustomPolicy, err error) {
	err = askPolicies(ctx, dir, http.MethodGet, account, name, nil, &policy)
	return policy, err
}

// ListPolicies reads the access policies that an account made from the running server.
func ListPolicies(ctx context.Context, dir home.Dir, account string) (all []eks.CustomPolicy, err error) {
	err = askPolicies(ctx, dir, http.MethodGet, account, "", nil, &all)
	return all, err
}

// DeletePolicy has the running server remove an access policy that is associated with nobody.
func DeletePolicy(ctx context.Context, dir home.Dir, account, name string) error {
	return askPolicies(ctx, dir, http.MethodDelete, account, name, nil, new(any))
}

func askPolicies(ctx context.Context, dir home.Dir, method, account, name string, in []byte, out any) error {
	path := policiesPath
	if name != "" {
		path += "/" + url.PathEscape(name)
	}
	status, body, err := exchange(ctx, askTimeout, dir, method, path+"?"+url.Values{"account": {account}}.Encode(), in)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return minato.Errorf(minato.Invalid, "%s", bytes.TrimSpace(body))
	}
	return json.Unmarshal(body, out)
}
