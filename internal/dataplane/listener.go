package dataplane

// Protocols of listeners and pools that the process speaks.
const (
	HTTP = "HTTP"
	TCP  = "TCP"
)

// Listener is a port of a balancer. Its rules are asked in order of priority;
// the default one comes last.
type Listener struct {
	ID       string // its ARN
	Balancer string
	Protocol string // HTTP, TCP
	Port     uint16
	Rules    []Rule
}

// Rule is what happens to a request that meets all conditions.
type Rule struct {
	ID         string
	Priority   int // 1–50000; 0 = the default rule, after all others
	Conditions []Condition
	Action     Action
}

// Condition holds where one of its values matches. Field is AWS's: host-header,
// path-pattern, http-header, http-request-method, query-string, source-ip.
type Condition struct {
	Field  string
	Header string // http-header
	Values []string
	Query  []Pair // query-string
}

// Pair is a query parameter; Key "" stands for any.
type Pair struct{ Key, Value string }

// Action is the one of Forward, Redirect and Fixed that is not nil.
type Action struct {
	Forward  *Forward
	Redirect *Redirect
	Fixed    *Fixed
}

// Forward shares requests among pools by weight.
type Forward struct {
	Pools  []Share
	Sticky int // seconds for which a client keeps its pool; 0 = not
}

// Share is a pool's part of a Forward.
type Share struct {
	Pool   string
	Weight int
}

// Redirect is AWS's: parts may hold #{protocol}, #{host}, #{port}, #{path}, #{query}.
type Redirect struct {
	Protocol, Host, Port, Path, Query string
	Status                            int
}

// Fixed is a fixed response.
type Fixed struct {
	Status      int
	ContentType string
	Body        string
}
