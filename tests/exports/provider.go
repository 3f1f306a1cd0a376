// A provider for Terraform that knows schemas and answers from a file, and reaches no cloud.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5/tf5server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Attribute is a type as Terraform writes it in JSON, and who decides the value.
type Attribute struct {
	Type     json.RawMessage `json:"type"`
	Required bool            `json:"required"`
	Optional bool            `json:"optional"`
	Computed bool            `json:"computed"`
}

// Facts are the schemas by resource, and what a cloud answers by resource and import ID.
type Facts struct {
	Schema  map[string]map[string]Attribute                  `json:"schema"`
	Answers map[string]map[string]map[string]json.RawMessage `json:"answers"`
}

type provider struct {
	tfprotov5.ProviderServer // what is not needed panics
	facts                    Facts
}

func (p *provider) schema(resource string) *tfprotov5.Schema {
	block := &tfprotov5.SchemaBlock{}
	for name, attribute := range p.facts.Schema[resource] {
		kind, err := tftypes.ParseJSONType(attribute.Type)
		if err != nil {
			panic(err)
		}
		block.Attributes = append(block.Attributes, &tfprotov5.SchemaAttribute{
			Name: name, Type: kind,
			Required: attribute.Required, Optional: attribute.Optional, Computed: attribute.Computed,
		})
	}
	return &tfprotov5.Schema{Block: block}
}

func (p *provider) GetMetadata(context.Context, *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	return nil, fmt.Errorf("ask for the schema")
}

func (p *provider) GetProviderSchema(context.Context, *tfprotov5.GetProviderSchemaRequest) (*tfprotov5.GetProviderSchemaResponse, error) {
	resources := map[string]*tfprotov5.Schema{}
	for name := range p.facts.Schema {
		if name != "provider" {
			resources[name] = p.schema(name)
		}
	}
	return &tfprotov5.GetProviderSchemaResponse{Provider: p.schema("provider"), ResourceSchemas: resources}, nil
}

func (p *provider) PrepareProviderConfig(_ context.Context, request *tfprotov5.PrepareProviderConfigRequest) (*tfprotov5.PrepareProviderConfigResponse, error) {
	return &tfprotov5.PrepareProviderConfigResponse{PreparedConfig: request.Config}, nil
}

func (p *provider) ConfigureProvider(context.Context, *tfprotov5.ConfigureProviderRequest) (*tfprotov5.ConfigureProviderResponse, error) {
	return &tfprotov5.ConfigureProviderResponse{}, nil
}

func (p *provider) StopProvider(context.Context, *tfprotov5.StopProviderRequest) (*tfprotov5.StopProviderResponse, error) {
	return &tfprotov5.StopProviderResponse{}, nil
}

// ValidateResourceTypeConfig refuses a value for what the resource only tells.
func (p *provider) ValidateResourceTypeConfig(_ context.Context, request *tfprotov5.ValidateResourceTypeConfigRequest) (*tfprotov5.ValidateResourceTypeConfigResponse, error) {
	response := &tfprotov5.ValidateResourceTypeConfigResponse{}
	values, err := p.object(request.TypeName, request.Config)
	if err != nil {
		return nil, err
	}
	for name, attribute := range p.facts.Schema[request.TypeName] {
		if !attribute.Required && !attribute.Optional && !values[name].IsNull() {
			response.Diagnostics = append(response.Diagnostics, &tfprotov5.Diagnostic{
				Severity: tfprotov5.DiagnosticSeverityError, Summary: name + " is read-only",
			})
		}
	}
	return response, nil
}

// ImportResourceState knows the ID alone, as the real provider does.
func (p *provider) ImportResourceState(_ context.Context, request *tfprotov5.ImportResourceStateRequest) (*tfprotov5.ImportResourceStateResponse, error) {
	answer := map[string]json.RawMessage{"id": json.RawMessage(fmt.Sprintf("%q", request.ID))}
	state, err := p.state(request.TypeName, answer)
	if err != nil {
		return nil, err
	}
	imported := &tfprotov5.ImportedResource{TypeName: request.TypeName, State: state}
	return &tfprotov5.ImportResourceStateResponse{ImportedResources: []*tfprotov5.ImportedResource{imported}}, nil
}

// ReadResource answers what the cloud does.
func (p *provider) ReadResource(_ context.Context, request *tfprotov5.ReadResourceRequest) (*tfprotov5.ReadResourceResponse, error) {
	values, err := p.object(request.TypeName, request.CurrentState)
	if err != nil {
		return nil, err
	}
	var id string
	if err := values["id"].As(&id); err != nil {
		return nil, err
	}
	state, err := p.state(request.TypeName, p.facts.Answers[request.TypeName][id])
	return &tfprotov5.ReadResourceResponse{NewState: state}, err
}

// PlanResourceChange keeps what Terraform proposes; what a new resource will tell is not known yet.
func (p *provider) PlanResourceChange(_ context.Context, request *tfprotov5.PlanResourceChangeRequest) (*tfprotov5.PlanResourceChangeResponse, error) {
	kind := p.schema(request.TypeName).ValueType()
	prior, err := request.PriorState.Unmarshal(kind)
	if err != nil {
		return nil, err
	}
	if !prior.IsNull() {
		return &tfprotov5.PlanResourceChangeResponse{PlannedState: request.ProposedNewState}, nil
	}
	values, err := p.object(request.TypeName, request.ProposedNewState)
	if err != nil {
		return nil, err
	}
	for name, attribute := range p.facts.Schema[request.TypeName] {
		if attribute.Computed && values[name].IsNull() {
			values[name] = tftypes.NewValue(values[name].Type(), tftypes.UnknownValue)
		}
	}
	planned, err := tfprotov5.NewDynamicValue(kind, tftypes.NewValue(kind, values))
	return &tfprotov5.PlanResourceChangeResponse{PlannedState: &planned}, err
}

func (p *provider) object(resource string, value *tfprotov5.DynamicValue) (map[string]tftypes.Value, error) {
	object, err := value.Unmarshal(p.schema(resource).ValueType())
	if err != nil {
		return nil, err
	}
	values := map[string]tftypes.Value{}
	return values, object.As(&values)
}

// state returns an object in which everything that is not answered is null.
func (p *provider) state(resource string, answer map[string]json.RawMessage) (*tfprotov5.DynamicValue, error) {
	whole := map[string]json.RawMessage{}
	for name := range p.facts.Schema[resource] {
		whole[name] = json.RawMessage("null")
	}
	for name, value := range answer {
		whole[name] = value
	}
	text, err := json.Marshal(whole)
	return &tfprotov5.DynamicValue{JSON: text}, err
}

func main() {
	text, err := os.ReadFile(os.Getenv("PROVIDER_FACTS"))
	if err != nil {
		panic(err)
	}
	served := &provider{}
	if err := json.Unmarshal(text, &served.facts); err != nil {
		panic(err)
	}
	err = tf5server.Serve("registry.terraform.io/aliyun/alicloud", func() tfprotov5.ProviderServer { return served })
	if err != nil {
		panic(err)
	}
}
