package elbv2

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// attributes are key and value as text, as AWS lists them.
type attributes map[string]string

// applicationAttributes are an application load balancer's, with AWS's defaults.
func applicationAttributes() attributes {
	return attributes{
		"access_logs.s3.enabled": "false", "access_logs.s3.bucket": "", "access_logs.s3.prefix": "",
		"connection_logs.s3.enabled": "false", "connection_logs.s3.bucket": "", "connection_logs.s3.prefix": "",
		"health_check_logs.s3.enabled": "false", "health_check_logs.s3.bucket": "", "health_check_logs.s3.prefix": "",
		"client_keep_alive.seconds": "3600", "deletion_protection.enabled": "false", "idle_timeout.timeout_seconds": "60",
		"ipv6.deny_all_igw_traffic": "false", "load_balancing.cross_zone.enabled": "true",
		"routing.http.desync_mitigation_mode": "defensive", "routing.http.drop_invalid_header_fields.enabled": "false",
		"routing.http.preserve_host_header.enabled": "false", "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
		"routing.http.xff_client_port.enabled": "false", "routing.http.xff_header_processing.mode": "append",
		"routing.http2.enabled": "true", "waf.fail_open.enabled": "false", "zonal_shift.config.enabled": "false",
	}
}

func networkAttributes() attributes {
	return attributes{
		"access_logs.s3.enabled": "false", "access_logs.s3.bucket": "", "access_logs.s3.prefix": "",
		"deletion_protection.enabled": "false", "dns_record.client_routing_policy": "any_availability_zone",
		"ipv6.deny_all_igw_traffic": "false", "load_balancing.cross_zone.enabled": "false", "zonal_shift.config.enabled": "false",
	}
}

// groupAttributes are a target group's; protocol HTTP is for application load balancers.
func groupAttributes(protocol string) attributes {
	a := attributes{
		"deregistration_delay.timeout_seconds": "300", "stickiness.enabled": "false",
		"load_balancing.cross_zone.enabled":                                              "use_load_balancer_configuration",
		"target_group_health.dns_failover.minimum_healthy_targets.count":                 "1",
		"target_group_health.dns_failover.minimum_healthy_targets.percentage":            "off",
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count":      "1",
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
	}
	if protocol == "HTTP" {
		maps.Copy(a, attributes{
			"stickiness.type": "lb_cookie", "stickiness.lb_cookie.duration_seconds": "86400",
			"stickiness.app_cookie.cookie_name": "", "stickiness.app_cookie.duration_seconds": "86400",
			"slow_start.duration_seconds": "0", "load_balancing.algorithm.type": "round_robin",
			"load_balancing.algorithm.anomaly_mitigation": "off",
		})
		return a
	}
	maps.Copy(a, attributes{
		"stickiness.type": "source_ip", "proxy_protocol_v2.enabled": "false", "preserve_client_ip.enabled": "false",
		"deregistration_delay.connection_termination.enabled":          "false",
		"target_health_state.unhealthy.connection_termination.enabled": "true",
		"target_health_state.unhealthy.draining_interval_seconds":      "0",
	})
	return a
}

func listenerAttributes(protocol string) attributes {
	if protocol != "HTTP" {
		return attributes{"tcp.idle_timeout.seconds": "350"}
	}
	a := attributes{"routing.http.response.server.enabled": "true"}
	for _, h := range []string{
		"strict_transport_security", "access_control_allow_origin", "access_control_allow_methods", "access_control_allow_headers",
		"access_control_allow_credentials", "access_control_expose_headers", "access_control_max_age",
		"content_security_policy", "x_content_type_options", "x_frame_options",
	} {
		a["routing.http.response."+h+".header_value"] = ""
	}
	return a
}

// bounds are the values that numbers may take.
var bounds = map[string][2]int{
	"idle_timeout.timeout_seconds":           {1, 4000},
	"client_keep_alive.seconds":              {60, 604800},
	"deregistration_delay.timeout_seconds":   {0, 3600},
	"stickiness.lb_cookie.duration_seconds":  {1, 604800},
	"stickiness.app_cookie.duration_seconds": {1, 604800},
	"slow_start.duration_seconds":            {0, 900},
	"tcp.idle_timeout.seconds":               {60, 6000},
}

// set changes key; what is the resource in the error's words.
func (a attributes) set(what, key, value string) error {
	if _, ok := a[key]; !ok {
		return invalid("%s attribute key '%s' is not recognized", what, key)
	}
	if b, ok := bounds[key]; ok {
		if n, err := strconv.Atoi(value); err != nil || n < b[0] || n > b[1] {
			return invalid("'%s' must be a number between '%d' and '%d'", key, b[0], b[1])
		}
	}
	if d := a[key]; (d == "true" || d == "false") && value != "true" && value != "false" {
		return invalid("The value of '%s' must be 'true' or 'false'", key)
	}
	if key == "stickiness.type" && value == "app_cookie" {
		return invalid("Stickiness type 'app_cookie' is not supported here; use 'lb_cookie'")
	}
	a[key] = value
	return nil
}

func (a attributes) isOn(key string) bool { return a[key] == "true" }

func (a attributes) number(key string) int {
	n, err := strconv.Atoi(a[key])
	if err != nil {
		return 0 // only keys with bounds are asked for, and those are numbers
	}
	return n
}

func (a attributes) seconds(key string) time.Duration {
	return time.Duration(a.number(key)) * time.Second
}

// keys are in one order.
func (a attributes) keys() []string { return slices.Sorted(maps.Keys(a)) }
