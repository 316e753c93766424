package ecs

// Bounds are the least number of healthy tasks and the greatest number of living
// tasks that a deployment of a REPLICA service keeps to: AWS rounds the minimum up
// and the maximum down.
func Bounds(desired, minimumHealthyPercent, maximumPercent int) (lower, upper int) {
	return (desired*minimumHealthyPercent + 99) / 100, desired * maximumPercent / 100
}

// Threshold is the number of failed tasks at which the deployment circuit breaker
// opens: half of the desired count, at least 3 and at most 200.
func Threshold(desired int) int {
	return min(max((desired+1)/2, 3), 200)
}
