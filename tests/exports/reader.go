// Reads configurations with the parser that Terraform has, one JSON string a line, and answers each with JSON.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Block is a block: its type and labels, its arguments, and the blocks within it.
type Block struct {
	Words     []string                   `json:"words"`
	Arguments map[string]json.RawMessage `json:"arguments"`
	Blocks    []Block                    `json:"blocks"`
}

// Answer is what was read, or why it could not be.
type Answer struct {
	Error     string `json:"error"`
	Body      Block  `json:"body"`
	Formatted bool   `json:"formatted"`
}

// value returns a literal's value, or the source of what refers to something else as {"source": ...}.
func value(expression hclsyntax.Expression, text []byte) json.RawMessage {
	written, _ := json.Marshal(map[string]string{"source": string(expression.Range().SliceBytes(text))})
	if len(expression.Variables()) > 0 {
		return written
	}
	found, problems := expression.Value(nil)
	if problems.HasErrors() {
		return written
	}
	literal, err := ctyjson.Marshal(found, found.Type())
	if err != nil {
		return written
	}
	return literal
}

func block(words []string, body *hclsyntax.Body, text []byte) Block {
	read := Block{Words: words, Arguments: map[string]json.RawMessage{}, Blocks: []Block{}}
	for name, argument := range body.Attributes {
		read.Arguments[name] = value(argument.Expr, text)
	}
	for _, inner := range body.Blocks {
		read.Blocks = append(read.Blocks, block(append([]string{inner.Type}, inner.Labels...), inner.Body, text))
	}
	return read
}

func answer(text []byte) Answer {
	file, problems := hclsyntax.ParseConfig(text, "main.tf", hcl.InitialPos)
	if problems.HasErrors() {
		return Answer{Error: problems.Error()}
	}
	formatted := string(hclwrite.Format(text)) == string(text)
	return Answer{Body: block([]string{}, file.Body.(*hclsyntax.Body), text), Formatted: formatted}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			panic(err)
		}
		if err := answers.Encode(answer([]byte(text))); err != nil {
			panic(err)
		}
	}
}
