package ecs

import (
	"testing"

	api "github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/internal/op"
)

// fine is a request that is accepted.
func fine() *api.RegisterTaskDefinitionInput {
	return &api.RegisterTaskDefinitionInput{
		Family: new("web"), NetworkMode: new("awsvpc"), Cpu: new(".25 vCPU"), Memory: new("0.5GB"), RequiresCompatibilities: []string{"FARGATE"},
		ContainerDefinitions: []api.ContainerDefinition{{Name: new("app"), Image: new("app:1")}},
	}
}

func TestRegistrationIsRefusedInAWSsWords(t *testing.T) {
	t.Parallel()
	if err := checkDefinition(fine()); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*api.RegisterTaskDefinitionInput, *api.ContainerDefinition){
		"Container.name should not be null or empty.":  func(_ *api.RegisterTaskDefinitionInput, c *api.ContainerDefinition) { c.Name = nil },
		"Container.image should not be null or empty.": func(_ *api.RegisterTaskDefinitionInput, c *api.ContainerDefinition) { c.Image = nil },
		"No Fargate configuration exists for given values.": func(in *api.RegisterTaskDefinitionInput, _ *api.ContainerDefinition) {
			in.Memory = new("4096")
		},
		"Fargate requires that 'cpu' be defined at the task level.": func(in *api.RegisterTaskDefinitionInput, _ *api.ContainerDefinition) { in.Cpu = nil },
		"When networkMode=awsvpc, the host ports and container ports in port mappings must match.": func(_ *api.RegisterTaskDefinitionInput, c *api.ContainerDefinition) {
			c.PortMappings = []api.PortMapping{{ContainerPort: new(int32(80)), HostPort: new(int32(8080))}}
		},
		"Fargate requires task definition to have execution role ARN to support ECR images.": func(_ *api.RegisterTaskDefinitionInput, c *api.ContainerDefinition) {
			c.Image = new("100000000001.dkr.ecr.us-east-1.amazonaws.com/app:1")
		},
		"Fargate requires task definition to have execution role ARN to support log driver awslogs.": func(_ *api.RegisterTaskDefinitionInput, c *api.ContainerDefinition) {
			c.LogConfiguration = &api.LogConfiguration{LogDriver: new("awslogs")}
		},
		"Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified.": func(in *api.RegisterTaskDefinitionInput, _ *api.ContainerDefinition) {
			in.RequiresCompatibilities, in.Memory = nil, nil
		},
	} {
		in := fine()
		spoil(in, &in.ContainerDefinitions[0])
		err := checkDefinition(in)
		e, ok := final(err)
		if !ok || e.Code != "ClientException" || e.Message != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestDefaultsAreWrittenIntoADefinition(t *testing.T) {
	t.Parallel()
	in := fine()
	in.ContainerDefinitions[0].PortMappings = []api.PortMapping{{ContainerPort: new(int32(80))}}
	d := materialise(in)
	c := d.ContainerDefinitions[0]
	if *d.Cpu != "256" || *d.Memory != "512" || *c.Cpu != 0 || !*c.Essential || c.Environment == nil || c.VolumesFrom == nil ||
		*c.PortMappings[0].HostPort != 80 || *c.PortMappings[0].Protocol != "tcp" || op.Val(d.Status) != "ACTIVE" {
		t.Errorf("%+v %+v", d, c)
	}
}

func FuzzSecretReference(f *testing.F) {
	f.Add("arn:aws:secretsmanager:us-east-1:100000000001:secret:db-AbCdEf")
	f.Add("arn:aws:secretsmanager:us-east-1:100000000001:secret:db-AbCdEf:url:AWSCURRENT:")
	f.Add("/app/parameter")
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := parseSecret(s)
		if err == nil && (ref.Secret == "") == (ref.Parameter == "") {
			t.Errorf("%q is %+v", s, ref)
		}
	})
}

func TestSecretReferences(t *testing.T) {
	t.Parallel()
	const secret = "arn:aws:secretsmanager:us-east-1:100000000001:secret:db-AbCdEf"
	for in, want := range map[string]secretRef{
		secret:                         {Secret: secret},
		secret + ":url::":              {Secret: secret, Key: "url"},
		secret + ":url:AWSPREVIOUS:":   {Secret: secret, Key: "url", Stage: "AWSPREVIOUS"},
		secret + ":::0123456789abcdef": {Secret: secret, Version: "0123456789abcdef"},
		"/app/x":                       {Parameter: "/app/x"},
	} {
		if got, err := parseSecret(in); err != nil || got != want {
			t.Errorf("parseSecret(%q) = %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", secret + ":url", secret + ":url:AWSCURRENT", secret + ":k:stage:version"} {
		if got, err := parseSecret(in); err == nil {
			t.Errorf("parseSecret(%q) = %+v", in, got)
		}
	}
}
