// Package elbv2 is Elastic Load Balancing v2: application load balancers, and
// network load balancers for TCP, in front of target groups of IP addresses.
//
// What the data plane shall do is written as dataplane records in the same
// transaction as the change; health comes back from its reports. A load balancer's
// interfaces are made by its machine through ec2:CreateNetworkInterface:
//
//	provisioning ─attached (all)→ publish ─published→ active ─deleted→ detach … → gone
//
// and each target group's machine ends drains: at the target's last request or
// the deregistration delay, whichever comes first (AWS waits the delay even when
// idle).
//
// Refused, with an error that says so: target types instance, lambda and alb; the
// protocols HTTPS, TLS, UDP, GENEVE and QUIC (there is no ACM to take
// certificates from); HTTP2 and GRPC targets; authenticate and JWT actions,
// transforms and regular expressions in conditions; application cookies. Stored
// and given back only: access and connection logs, slow start, cross-zone,
// target_group_health, anomaly mitigation, HTTP/2, WAF and header attributes.
package elbv2
