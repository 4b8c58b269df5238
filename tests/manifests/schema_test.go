package manifests

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"sigs.k8s.io/yaml"
)

// schema is the part of a CustomResourceDefinition's OpenAPI schema that says which fields there are.
type schema struct {
	Type                 string
	Properties           map[string]*schema
	AdditionalProperties *schema
	Items                *schema
	Required             []string
	Enum                 []any
	IntOrString          bool `json:"x-kubernetes-int-or-string"`
}

// check refuses what the API server would: unknown and missing fields, and values of another type.
func (s *schema) check(object []byte) error {
	var value any
	if err := yaml.Unmarshal(object, &value); err != nil {
		return err
	}
	return s.at("ScaledObject", value)
}

func (s *schema) at(path string, value any) error {
	var wrong []error
	complain := func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf(path+": "+format, args...))
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, value) {
		complain("%v is none of %v", value, s.Enum)
	}
	var kind string
	switch value := value.(type) {
	case map[string]any:
		kind = "object"
		for _, name := range s.Required {
			if _, ok := value[name]; !ok {
				complain("%s is missing", name)
			}
		}
		for name, each := range value {
			switch inner := s.Properties[name]; {
			case path == "ScaledObject" && name == "metadata": // of every object
			case inner != nil:
				wrong = append(wrong, inner.at(path+"."+name, each))
			case s.AdditionalProperties != nil:
				wrong = append(wrong, s.AdditionalProperties.at(path+"."+name, each))
			default:
				complain("unknown field %q", name)
			}
		}
	case []any:
		kind = "array"
		for i, each := range value {
			if s.Items != nil {
				wrong = append(wrong, s.Items.at(fmt.Sprintf("%s[%d]", path, i), each))
			}
		}
	case string:
		kind = "string"
	case bool:
		kind = "boolean"
	case float64:
		kind = "integer"
	}
	if kind != s.Type && !s.IntOrString {
		complain("%v is no %s", value, s.Type)
	}
	return errors.Join(wrong...)
}

// scaledObjectSchema is read from the CustomResourceDefinition in the source of KEDA.
var scaledObjectSchema = sync.OnceValue(func() *schema {
	var definition struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema *schema }
			}
		}
	}
	file := os.Getenv("KEDA_SCALED_OBJECT_CRD")
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(text, &definition)
	}
	if err != nil || len(definition.Spec.Versions) != 1 {
		panic(fmt.Sprintf("%q is not the definition of ScaledObject in one version: %v", file, err))
	}
	return definition.Spec.Versions[0].Schema.OpenAPIV3Schema
})
