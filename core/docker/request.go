package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// answer is an error that the engine gave, told apart by its HTTP status.
type answer struct {
	status  int
	message string
}

func (a *answer) Error() string { return a.message }

// open sends a request over the client's own connection and returns the body of
// a good answer, which the caller closes. It exists beside the client's methods
// because those send and read only what their structs know.
func (c *Client) open(ctx context.Context, method, path string, query url.Values, body any) (io.ReadCloser, error) {
	var payload io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		payload = bytes.NewReader(encoded)
	}
	u := c.base
	u.Path, u.RawQuery = u.Path+path, query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, u.String(), payload)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.api.HTTPClient().Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode < http.StatusOK || response.StatusCode >= http.StatusMultipleChoices {
		defer response.Body.Close()
		return nil, readAnswer(response)
	}
	return response.Body, nil
}

func readAnswer(response *http.Response) *answer {
	const most = 64 << 10
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	var said struct{ Message string }
	if err != nil || json.Unmarshal(body, &said) != nil || said.Message == "" {
		said.Message = string(bytes.TrimSpace(body))
	}
	if said.Message == "" {
		said.Message = response.Status
	}
	return &answer{status: response.StatusCode, message: said.Message}
}

// call sends a request to the path as it stands and reads the answer into out,
// unless that is nil.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	reader, err := c.open(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer reader.Close()
	if out == nil {
		return nil
	}
	decoder := json.NewDecoder(reader)
	decoder.UseNumber()
	if err := decoder.Decode(out); err != nil {
		return fmt.Errorf("read the engine's answer: %w", err)
	}
	return nil
}

// versioned puts the version that was agreed upon in front of a path.
func (c *Client) versioned(path string) string { return "/v" + c.api.ClientVersion() + path }

// isNotFound tells whether the engine says that there is no such thing.
func isNotFound(err error) bool { return answered(err, http.StatusNotFound) }

// isConflict tells whether something else is in the way: a name that is taken,
// an image that is used, a container that runs.
func isConflict(err error) bool { return answered(err, http.StatusConflict) }

func answered(err error, status int) bool {
	var a *answer
	return errors.As(err, &a) && a.status == status
}

// The calls of which it matters what the engine answers to them: the client's own
// methods hide the status.

// inspectContainer reads the engine's answer into out, a struct of the client's or
// an object.
func (c *Client) inspectContainer(ctx context.Context, nameOrID string, out any) error {
	return c.call(ctx, http.MethodGet, c.versioned("/containers/"+nameOrID+"/json"), nil, nil, out)
}

func (c *Client) removeContainer(ctx context.Context, id string, volumes, force bool) error {
	query := url.Values{}
	if volumes {
		query.Set("v", "1")
	}
	if force {
		query.Set("force", "1")
	}
	return c.call(ctx, http.MethodDelete, c.versioned("/containers/"+id), query, nil, nil)
}

func (c *Client) renameContainer(ctx context.Context, id, name string) error {
	return c.call(ctx, http.MethodPost, c.versioned("/containers/"+id+"/rename"), url.Values{"name": {name}}, nil, nil)
}

func (c *Client) inspectImage(ctx context.Context, nameOrID string, out any) error {
	return c.call(ctx, http.MethodGet, c.versioned("/images/"+nameOrID+"/json"), nil, nil, out)
}

// removeImage removes a name of an image, with the last one the image, and, if
// parents is true, the unnamed images that it was made from.
func (c *Client) removeImage(ctx context.Context, nameOrID string, parents bool) error {
	query := url.Values{}
	if !parents {
		query.Set("noprune", "1")
	}
	return c.call(ctx, http.MethodDelete, c.versioned("/images/"+nameOrID), query, nil, nil)
}
