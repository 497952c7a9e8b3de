package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// sign is the signature that the holder of the secret would have made.
func (s *Signed) sign(secret, payloadHash string) string {
	digest := sha256.Sum256([]byte(s.canonical + payloadHash))
	toSign := algorithm + "\n" + s.Time.Format(timeLayout) + "\n" + s.Scope.String() + "\n" + hex.EncodeToString(digest[:])
	return hex.EncodeToString(mac(signingKey(secret, s.Scope), toSign))
}

// signingKey is the key that a day's requests to one service in one region are signed with.
func signingKey(secret string, s Scope) []byte {
	return mac(mac(mac(mac([]byte("AWS4"+secret), s.Date), s.Region), s.Service), terminator)
}

func mac(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}
