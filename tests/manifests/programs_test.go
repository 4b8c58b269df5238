package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// Variables that are not options of ours.
var foreign = []string{"HOME"}

// A pod of a Deployment, with what runs in it.
type pod struct {
	*apps.Deployment
	spec     core.PodSpec
	programs []program
}

// A program is a container, and the configuration that it would run with in it.
type program struct {
	core.Container
	sidecar bool // a native one
	env     map[string]string
	config  config
}

// podsOf asks the programs about every container of a build.
func podsOf(made objects) ([]pod, error) {
	var pods []pod
	var wrong []error
	for _, deployment := range of[*apps.Deployment](made) {
		p := pod{Deployment: deployment, spec: deployment.Spec.Template.Spec}
		add := func(container core.Container, sidecar bool) {
			each, err := made.program(p, container, sidecar)
			p.programs = append(p.programs, each)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %s: %w", p.Name, container.Name, err))
			}
		}
		for _, container := range p.spec.InitContainers {
			add(container, true)
		}
		for _, container := range p.spec.Containers {
			add(container, false)
		}
		pods = append(pods, p)
	}
	for _, name := range []string{"ingest", "executor"} {
		if _, _, ok := find(pods, name); !ok {
			wrong = append(wrong, errors.New("nothing runs "+name))
		}
	}
	return pods, errors.Join(wrong...)
}

// find returns the program of this name, in whichever pod.
func find(pods []pod, name string) (pod, program, bool) {
	for _, p := range pods {
		for _, each := range p.programs {
			if each.Name == name {
				return p, each, true
			}
		}
	}
	return pod{}, program{}, false
}

func (all objects) program(p pod, container core.Container, sidecar bool) (program, error) {
	result := program{Container: container, sidecar: sidecar, env: map[string]string{}}
	for _, source := range container.EnvFrom {
		if source.ConfigMapRef == nil {
			continue
		}
		values, ok := named[*core.ConfigMap](all, source.ConfigMapRef.Name)
		if !ok {
			return result, fmt.Errorf("there is no ConfigMap %s", source.ConfigMapRef.Name)
		}
		maps.Copy(result.env, values.Data)
	}
	for _, variable := range container.Env {
		result.env[variable.Name] = variable.Value
	}
	err := result.checkNames()
	if err == nil && (container.Name == "ingest" || container.Name == "executor") {
		result.config, err = all.configOf(p, result)
	}
	return result, err
}

func (p program) binary() string { return filepath.Join(bin, "runner-"+p.Name) }

// checkNames refuses variables and flags that the program does not know: it would not read them.
func (p program) checkNames() error {
	help, err := exec.Command(p.binary(), "--help").Output()
	if err != nil {
		return err
	}
	var known []string
	for _, names := range regexp.MustCompile(`env: ([A-Z0-9_, ]+)`).FindAllSubmatch(help, -1) {
		known = append(known, strings.Split(string(names[1]), ", ")...)
	}
	for name := range p.env {
		if !slices.Contains(known, name) && !slices.Contains(foreign, name) {
			return fmt.Errorf("the program knows no variable %s", name)
		}
	}
	for _, word := range slices.Concat(p.Command, p.Args) {
		flag, _, _ := strings.Cut(word, "=")
		if strings.HasPrefix(flag, "--") && !regexp.MustCompile(`(?m)^ *(-\w,)?`+flag+`\b`).Match(help) {
			return fmt.Errorf("the program knows no flag %s", flag)
		}
	}
	return nil
}

// config is the effective configuration, as --print-config tells it.
type config map[string]any

func (c config) text(name string) string { return fmt.Sprint(c[name]) }

func (c config) number(t *testing.T, name string) int64 {
	t.Helper()
	value, ok := c[name].(float64)
	if !ok {
		t.Fatalf("%s is %v and no number", name, c[name])
	}
	return int64(value)
}

func (c config) seconds(t *testing.T, name string) int64 {
	t.Helper()
	value, err := time.ParseDuration(c.text(name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return int64(value.Seconds())
}

// configOf asks the program what it makes of its environment, in a directory that stands for the root of its
// container: with the files that are mounted there, and those of the image.
func (all objects) configOf(p pod, of program) (config, error) {
	directory, err := os.MkdirTemp("", "r")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	rooted := func(text string) string {
		return regexp.MustCompile(`(^|: |unix:)/`).ReplaceAllString(text, "${1}"+directory+"/")
	}
	for _, mount := range of.VolumeMounts {
		at := filepath.Join(directory, mount.MountPath)
		files, err := all.files(p, mount.Name)
		if err := errors.Join(err, os.MkdirAll(at, 0o755)); err != nil {
			return nil, err
		}
		for name, text := range files {
			if err := write(filepath.Join(at, name), rooted(text)); err != nil {
				return nil, err
			}
		}
	}
	agents := filepath.Join(directory, agentsOfImage)
	os.MkdirAll(filepath.Dir(agents), 0o755)
	if err := os.Symlink(filepath.Join(root, "examples/agents"), agents); err != nil {
		return nil, err
	}
	command := exec.Command(of.binary(), append(of.Args, "--print-config")...)
	command.Env = []string{}
	for name, value := range of.env {
		command.Env = append(command.Env, name+"="+rooted(value))
	}
	var said bytes.Buffer
	command.Stderr = &said
	output, err := command.Output()
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(said.String(), directory, ""))
	}
	var result config
	return result, yaml.Unmarshal(bytes.ReplaceAll(output, []byte(directory), nil), &result)
}

// files are those in a volume of this build. What is in Secrets the page says.
func (all objects) files(p pod, volume string) (map[string]string, error) {
	at := slices.IndexFunc(p.spec.Volumes, func(v core.Volume) bool { return v.Name == volume })
	if at < 0 {
		return nil, fmt.Errorf("there is no volume %s", volume)
	}
	switch source := p.spec.Volumes[at]; {
	case source.ConfigMap != nil:
		values, ok := named[*core.ConfigMap](all, source.ConfigMap.Name)
		if !ok {
			return nil, fmt.Errorf("there is no ConfigMap %s", source.ConfigMap.Name)
		}
		return values.Data, nil
	case source.Secret != nil && strings.HasSuffix(source.Secret.SecretName, "-tls"):
		return certificates()
	case source.Secret != nil && source.Secret.SecretName == "event-runner-mcp":
		return map[string]string{"prod.token": "secret"}, nil
	}
	return nil, nil
}

// A listener is a port that a program serves.
type listener struct {
	port     int64
	loopback bool
}

func (p program) listeners(t *testing.T) []listener {
	t.Helper()
	if p.config == nil {
		at := slices.Index(p.Args, "--listen")
		return []listener{endpoint(t, p.Args[at+1])}
	}
	result := []listener{{port: p.config.number(t, "metrics_port")}, {port: p.config.number(t, "health_port")}}
	if address := p.config.text("grpc_listen"); !strings.HasPrefix(address, "unix:") {
		result = append(result, endpoint(t, address))
	}
	return result
}

func endpoint(t *testing.T, address string) listener {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return listener{number, net.ParseIP(host).IsLoopback()}
}
