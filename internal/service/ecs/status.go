package ecs

import "slices"

// Status is a task's lastStatus. It only grows.
type Status string

// The life of a task, in order.
const (
	Provisioning   Status = "PROVISIONING"   // its network interface is being made
	Pending        Status = "PENDING"        // secrets, images, containers
	Activating     Status = "ACTIVATING"     // its targets are being registered
	Running        Status = "RUNNING"        // all essential containers run
	Deactivating   Status = "DEACTIVATING"   // its targets drain
	Stopping       Status = "STOPPING"       // SIGTERM … SIGKILL
	Deprovisioning Status = "DEPROVISIONING" // pod and interface are being removed
	Stopped        Status = "STOPPED"
	Deleted        Status = "DELETED" // forgotten by the API
)

var order = []Status{Provisioning, Pending, Activating, Running, Deactivating, Stopping, Deprovisioning, Stopped, Deleted}

// before tells whether s comes earlier in a task's life than t.
func (s Status) before(t Status) bool { return slices.Index(order, s) < slices.Index(order, t) }
