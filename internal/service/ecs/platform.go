package ecs

import "time"

// platform is the version that LATEST stands for.
func platform(version string) string {
	if version == "" || version == "LATEST" {
		return "1.4.0"
	}
	return version
}

// optional is an instant as EventBridge writes it, "" for none.
func optional(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp(t)
}
