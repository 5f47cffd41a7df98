package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
)

// imageShape is a model.Input as JSON.
type imageShape struct {
	H       int `json:"height"`
	W       int `json:"width"`
	C       int `json:"channels"`
	Classes int `json:"classes"`
	Scale   int `json:"scale,omitempty"` // of super-resolution
}

// shapeFor is the shape of the images in --data or, without it, of those that the model is made for.
func shapeFor(c *cli.Context, name string) (imageShape, error) {
	if !c.IsSet("data") {
		m, err := model.Find(name)
		if err != nil {
			return imageShape{}, asUsage(err)
		}
		in, err := m.MadeFor()
		if err != nil {
			return imageShape{}, asUsage(fmt.Errorf("--model %w", err))
		}
		return imageShape(in), nil
	}
	set, err := data.Open(c.String("data"))
	if err != nil {
		return imageShape{}, err
	}
	return imageShape(model.InputOf(set)), nil
}
