package access

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// hosts are our own names, host:port in lower case, that a token's URL may have.
//
// On AWS this check keeps a cluster from calling whatever URL a token holds. We call nothing, and the signature covers the
// host, so what is left to guard against is a signature that was made to be shown to somebody else. A URL is accepted if it
// is
//
//   - that of an STS of the partition aws, over https: so a client signs who was told nothing but the EKS endpoint;
//   - our own, as listened on or advertised, over http or https: so the AWS CLI signs under AWS_ENDPOINT_URL. The scheme
//     is not part of the signature and means nothing then.
//
// Neither tells two Minatos apart that share keys, as after a restore of one from the other; their clusters' endpoints and
// certificates do.
type hosts map[string]bool

// stsHost is a regional endpoint of STS in the partition aws, with its FIPS and dual-stack forms. Regions of other
// partitions have more words in their names (us-gov-west-1), or begin otherwise (cn-north-1).
var stsHost = regexp.MustCompile(`^sts(-fips)?\.(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[0-9]{1,2}\.(amazonaws\.com|api\.aws)$`)

// OwnHosts are the host:port that clients may reach us under: the loopback addresses, the names and addresses that are
// advertised, and those that are listened on, each at the port of the AWS API (listen, host:port) and at the TLS port (zero
// if there is none).
func OwnHosts(listen string, tlsPort int, advertised []string) ([]string, error) {
	listenHost, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	names := append([]string{"127.0.0.1", "localhost", "::1"}, advertised...)
	if ip := net.ParseIP(listenHost); listenHost != "" && !ip.IsUnspecified() {
		names = append(names, listenHost)
	}
	var own []string
	for _, name := range names {
		own = append(own, net.JoinHostPort(name, port))
		if tlsPort != 0 {
			own = append(own, net.JoinHostPort(name, strconv.Itoa(tlsPort)))
		}
	}
	return own, nil
}

func newHosts(own []string) hosts {
	h := hosts{}
	for _, host := range own {
		h[strings.ToLower(host)] = true
	}
	return h
}

// check is that u may be a token's URL. It takes a default port off u, as every client does before it signs the host.
func (h hosts) check(u *url.URL) error {
	defaultPort := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	if defaultPort == "" || u.Opaque != "" || u.User != nil || u.Fragment != "" || u.EscapedPath() != "/" {
		return refuse(UntrustedHost, "the token's URL is not that of a call of STS: want https://HOST/?QUERY")
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	if port == defaultPort {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	name := strings.ToLower(u.Hostname())
	if h[net.JoinHostPort(name, port)] || u.Scheme == "https" && port == "443" && isSTS(name) {
		return nil
	}
	return refuse(UntrustedHost, "the token is signed for the host %.128q, which is neither this server's nor an STS of AWS over https: "+
		"the client's AWS_ENDPOINT_URL must be one that `minato env` gives, or unset; other names are made known with --advertise-address", u.Host)
}

func isSTS(name string) bool { return name == "sts.amazonaws.com" || stsHost.MatchString(name) }
