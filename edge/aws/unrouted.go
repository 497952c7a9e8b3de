package aws

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
)

// writeUnrouted answers a request that belongs to no API here, because it is not signed or is for another service, in the
// protocol that it looks like.
func writeUnrouted(w http.ResponseWriter, r *http.Request, call *Call, err error) {
	protocol := JSON
	if wantsXML(r, call) {
		protocol = Query
	}
	name, status, ok := FailureCode(err, protocol)
	message := err.Error()
	if !ok {
		name, status, message = "InternalFailure", http.StatusInternalServerError, "An internal error has occurred. "+
			"The server's log has the details under request "+call.RequestID+"."
	}
	call.ErrorCode, call.Err = name, err
	if protocol == JSON {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-Errortype", name)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": name, "message": message}) // a client that has gone away is not our error
		return
	}
	var text strings.Builder
	xml.EscapeText(&text, []byte(message))
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error>`+
		`<RequestId>%s</RequestId></ErrorResponse>`, name, text.String(), call.RequestID)
}

// wantsXML is whether a request is of a protocol that reads XML: the query ones, which send a form, and S3, the last to be signed with Version 2.
func wantsXML(r *http.Request, call *Call) bool {
	return call.Service == "s3" || strings.HasPrefix(r.Header.Get("Authorization"), "AWS ") || strings.Contains(r.URL.RawQuery, "AWSAccessKeyId=") || strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") ||
		strings.Contains(r.URL.RawQuery, "Action=")
}
