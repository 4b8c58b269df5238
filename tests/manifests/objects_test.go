package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	strictjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// scaledObject is what is asked of KEDA's type here. Its own Go package takes minutes to compile; what is
// allowed in an object says its CustomResourceDefinition (schema_test.go).
type scaledObject struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		ScaleTargetRef  struct{ Name string }
		MinReplicaCount int
		MaxReplicaCount int
		Fallback        struct{ Replicas int }
		Triggers        []struct {
			Type, MetricType string
			Metadata         map[string]string
		}
	}
}

var types = map[string]reflect.Type{
	"v1/ConfigMap":                            reflect.TypeFor[core.ConfigMap](),
	"v1/Namespace":                            reflect.TypeFor[core.Namespace](),
	"v1/PersistentVolumeClaim":                reflect.TypeFor[core.PersistentVolumeClaim](),
	"v1/Service":                              reflect.TypeFor[core.Service](),
	"v1/ServiceAccount":                       reflect.TypeFor[core.ServiceAccount](),
	"apps/v1/Deployment":                      reflect.TypeFor[apps.Deployment](),
	"monitoring.coreos.com/v1/PodMonitor":     reflect.TypeFor[monitoring.PodMonitor](),
	"monitoring.coreos.com/v1/PrometheusRule": reflect.TypeFor[monitoring.PrometheusRule](),
	"networking.k8s.io/v1/NetworkPolicy":      reflect.TypeFor[networking.NetworkPolicy](),
	"policy/v1/PodDisruptionBudget":           reflect.TypeFor[policy.PodDisruptionBudget](),
}

// objects are all of one build, by their types.
type objects []meta.Object

// decode takes a stream of YAML apart. An unknown kind, an unknown or repeated field is an error.
func decode(stream []byte) (objects, error) {
	var all objects
	var wrong []error
	for document := range bytes.SplitSeq(stream, []byte("\n---\n")) {
		object, err := decodeOne(document)
		all = append(all, object)
		wrong = append(wrong, err)
	}
	return all, errors.Join(wrong...)
}

func decodeOne(document []byte) (meta.Object, error) {
	data, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, err
	}
	var head meta.PartialObjectMetadata
	if err := yaml.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	name := head.APIVersion + "/" + head.Kind
	if name == "keda.sh/v1alpha1/ScaledObject" {
		scaled := &scaledObject{}
		return scaled, errors.Join(scaledObjectSchema().check(data), yaml.Unmarshal(data, scaled))
	}
	known, ok := types[name]
	if !ok {
		return nil, fmt.Errorf("%s %s: no type is known for it", name, head.Name)
	}
	object := reflect.New(known).Interface()
	unknown, err := strictjson.UnmarshalStrict(data, object)
	for _, each := range append(unknown, err) {
		if each != nil {
			return nil, fmt.Errorf("%s %s: %w", name, head.Name, each)
		}
	}
	return object.(meta.Object), nil
}

// of returns the objects of one type.
func of[T meta.Object](all objects) []T {
	var some []T
	for _, each := range all {
		if one, ok := each.(T); ok {
			some = append(some, one)
		}
	}
	return some
}

// named returns the object of one type with this name, or the zero value.
func named[T meta.Object](all objects, name string) (T, bool) {
	for _, each := range of[T](all) {
		if each.GetName() == name {
			return each, true
		}
	}
	var none T
	return none, false
}
