// Package manifests holds deploy/kustomize to what the programs say of themselves and to the types of
// Kubernetes. tests/manifests.sh runs it and says what is in the environment.
package manifests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

var (
	root = os.Getenv("RUNNER_ROOT")
	bin  = os.Getenv("RUNNER_BIN")
)

// after names what a component needs to stand before it.
var after = map[string][]string{
	"split":          {"split", "mtls"},
	"mtls":           {"split", "mtls"},
	"autoscale-keda": {"split", "mtls", "autoscale-keda"},
}

// A build is one kustomization, the objects that it makes, and what would run in its pods.
type build struct {
	name string
	objects
	pods []pod
}

var builds []build

// What the programs say of split without mtls.
var withoutCertificates error

func TestMain(m *testing.M) {
	work, err := os.MkdirTemp("", "m")
	if err == nil {
		err = buildAll(work)
	}
	status := 1
	if err != nil {
		fmt.Println(err)
	} else {
		status = m.Run()
	}
	os.RemoveAll(work)
	os.Exit(status)
}

// buildAll makes every overlay, the base, every component over the base, and the example of the page.
func buildAll(work string) error {
	if err := os.CopyFS(filepath.Join(work, "deploy"), os.DirFS(filepath.Join(root, "deploy"))); err != nil {
		return err
	}
	kustomize := filepath.Join(work, "deploy", "kustomize")
	overlays := directories(filepath.Join(kustomize, "overlays"))
	components := directories(filepath.Join(kustomize, "components"))
	if len(overlays) == 0 || len(components) == 0 {
		return errors.New("there are no overlays, or no components")
	}
	var wrong []error
	add := func(name, directory string) {
		made, err := makeBoth(directory)
		var pods []pod
		if err == nil {
			pods, err = podsOf(made)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		}
		builds = append(builds, build{name, made, pods})
	}
	add("base", filepath.Join(kustomize, "base"))
	for _, overlay := range overlays {
		add(overlay, filepath.Join(kustomize, "overlays", overlay))
	}
	for _, component := range components {
		needs := after[component]
		if needs == nil {
			needs = []string{component}
		}
		directory := filepath.Join(kustomize, "over-base", component)
		if err := overBase(directory, needs); err != nil {
			return err
		}
		add("base+"+strings.Join(needs, "+"), directory)
	}
	alone := filepath.Join(kustomize, "over-base", "split-alone")
	if err := overBase(alone, []string{"split"}); err != nil {
		return err
	}
	if made, err := makeBoth(alone); err != nil {
		wrong = append(wrong, err)
	} else {
		_, withoutCertificates = podsOf(made)
	}
	example, err := exampleOfPage(work)
	if err != nil {
		return err
	}
	add("docs/deploy.md", example)
	return errors.Join(wrong...)
}

func directories(path string) []string {
	entries, _ := os.ReadDir(path)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func overBase(directory string, components []string) error {
	text := "resources: [../../base]\ncomponents:\n"
	for _, component := range components {
		text += "  - ../../components/" + component + "\n"
	}
	return write(filepath.Join(directory, "kustomization.yaml"), text)
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// exampleOfPage lays out the files that the page shows, `# NAME` in their first line.
func exampleOfPage(work string) (string, error) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "deploy.md"))
	if err != nil {
		return "", err
	}
	directory := filepath.Join(work, "example")
	blocks := regexp.MustCompile("(?s)```yaml\n# ([a-z.]+)\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) == 0 {
		return "", errors.New("docs/deploy.md shows no files")
	}
	for _, block := range blocks {
		if err := write(filepath.Join(directory, string(block[1])), string(block[2])); err != nil {
			return "", err
		}
	}
	// Where the page has this repository.
	err = os.Symlink(work, filepath.Join(directory, "kubernetes-mcp-runner"))
	return directory, err
}

// makeBoth returns what kustomize 4.5.4 and 5 make of a directory, if that is the same.
func makeBoth(directory string) (objects, error) {
	var outputs [][]byte
	for _, variable := range []string{"KUSTOMIZE_4", "KUSTOMIZE_5"} {
		command := exec.Command(os.Getenv(variable), "build", directory)
		output, err := command.Output()
		if err != nil {
			var failed *exec.ExitError
			if errors.As(err, &failed) {
				err = errors.New(string(failed.Stderr))
			}
			return nil, fmt.Errorf("%s: %w", variable, err)
		}
		outputs = append(outputs, output)
	}
	if old, new := plain(outputs[0]), plain(outputs[1]); !reflect.DeepEqual(old, new) {
		for i := range min(len(old), len(new)) {
			if old[i] != new[i] {
				return nil, fmt.Errorf("kustomize 4.5.4 makes\n%s\nand 5 makes\n%s", old[i], new[i])
			}
		}
		return nil, fmt.Errorf("kustomize 4.5.4 makes %d objects, and 5 makes %d", len(old), len(new))
	}
	return decode(outputs[1])
}

// plain is the objects of a stream without their order and the looks of their YAML.
func plain(stream []byte) []string {
	var all []string
	for document := range strings.SplitSeq(string(stream), "\n---\n") {
		object, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			object = []byte(err.Error())
		}
		all = append(all, string(object))
	}
	slices.Sort(all)
	return all
}

// forEveryBuild runs a test on each of them.
func forEveryBuild(t *testing.T, test func(t *testing.T, b build)) {
	for _, b := range builds {
		t.Run(b.name, func(t *testing.T) { test(t, b) })
	}
}
