package query

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"minato.dev/minato/edge/aws"
)

// writeResult answers an operation that succeeded.
func (a *API) writeResult(w http.ResponseWriter, r *http.Request, action string, out any) {
	id := aws.CallFrom(r.Context()).RequestID
	v := reflect.ValueOf(out).Elem()
	if a.wantsJSON(r) {
		body := map[string]any{"ResponseMetadata": map[string]string{"RequestId": id}}
		if v.NumField() > 0 {
			body[action+"Result"] = jsonValue(v)
		}
		writeJSON(w, http.StatusOK, map[string]any{action + "Response": body})
		return
	}
	x := &xmlWriter{dialect: a.def.Dialect}
	fmt.Fprintf(x, `<%sResponse xmlns="%s">`, action, a.def.Namespace)
	if a.def.Dialect == EC2Query {
		x.text("requestId", id)
		x.fields(v)
	} else {
		if v.NumField() > 0 {
			x.element(action+"Result", func() { x.fields(v) })
		}
		x.element("ResponseMetadata", func() { x.text("RequestId", id) })
	}
	fmt.Fprintf(x, `</%sResponse>`, action)
	writeXML(w, http.StatusOK, x.Bytes())
}

// wantsJSON is whether the client asked for the JSON form of awsQuery, as the IAM authenticators of Kubernetes do.
func (a *API) wantsJSON(r *http.Request) bool {
	return a.def.Dialect == AWSQuery && strings.Contains(r.Header.Get("Accept"), "application/json")
}

func writeXML(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	w.Write([]byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")) // a client that has gone away is not our error
	w.Write(body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
