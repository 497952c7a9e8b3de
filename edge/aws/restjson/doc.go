// Package restjson is the server's side of the AWS restJson1 protocol, driven by Smithy schemas.
//
// A service hands it a table of operations: schema, input type, handler. Everything else follows from the schemas that the
// AWS SDK for Go publishes: method and path template, what lies in the path, in the query and in the body, the shape of every
// member, and each exception's status code. The codec walks schema and Go value side by side: a member's field is its name with
// a capital first letter, as the SDK's generator writes it, and New holds every table to that when the server starts.
//
// The SDK's own Serialize methods are for clients: they leave out a false and a zero that is not behind a pointer, which a
// server must say ("endpointPrivateAccess": false). So both directions are ours, and the test corpus is AWS's: the request and
// response snapshots that the SDK module ships.
//
// Where this server is stricter than AWS: a member that the schema does not know is refused, not ignored, because ignoring what
// a newer client asks for would be a pretence (docs/divergences.md).
package restjson
