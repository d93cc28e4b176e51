// Run the conformance cases: conformance HOST:PORT CASES.json...
// Prints TAP; exits with 1 when a case failed. The format: clients/conformance/README.md.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/golang/protobuf/jsonpb"
	"github.com/golang/protobuf/proto"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	paretune "paretune/v1"
)

type step struct {
	Call       string            `json:"call"`
	Request    interface{}       `json:"request"`
	RequestHex string            `json:"request_hex"`
	DeadlineMs int               `json:"deadline_ms"`
	Replies    int               `json:"replies"`
	Token      *string           `json:"token"`
	Status     string            `json:"status"`
	Reason     string            `json:"reason"`
	Metadata   interface{}       `json:"metadata"`
	Fields     []string          `json:"fields"`
	RetryMs    *int64            `json:"retry_ms"`
	Reply      interface{}       `json:"reply"`
	Save       map[string]string `json:"save"`
	Remember   string            `json:"remember"`
	Equals     string            `json:"equals"`
}

type memory struct {
	known map[string]string
	kept  map[string][]byte
}

// raw sends and receives bytes as they are.
type raw struct{}

func (raw) Marshal(v interface{}) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v interface{}) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (raw) Name() string { return "proto" }

var codeNames = map[codes.Code]string{
	codes.InvalidArgument: "INVALID_ARGUMENT", codes.NotFound: "NOT_FOUND", codes.AlreadyExists: "ALREADY_EXISTS",
	codes.FailedPrecondition: "FAILED_PRECONDITION", codes.Aborted: "ABORTED", codes.Unimplemented: "UNIMPLEMENTED",
	codes.DeadlineExceeded: "DEADLINE_EXCEEDED", codes.Unavailable: "UNAVAILABLE", codes.Unauthenticated: "UNAUTHENTICATED",
	codes.PermissionDenied: "PERMISSION_DENIED", codes.ResourceExhausted: "RESOURCE_EXHAUSTED", codes.Internal: "INTERNAL",
}

var variable = regexp.MustCompile(`\$\{(\w+)\}`)

func (m memory) filled(value interface{}) interface{} {
	switch v := value.(type) {
	case string:
		return variable.ReplaceAllStringFunc(v, func(found string) string { return m.known[found[2:len(found)-1]] })
	case []interface{}:
		items := make([]interface{}, len(v))
		for i, item := range v {
			items[i] = m.filled(item)
		}
		return items
	case map[string]interface{}:
		fields := map[string]interface{}{}
		for key, item := range v {
			fields[key] = m.filled(item)
		}
		return fields
	}
	return value
}

func compare(path string, expected, actual interface{}) error {
	if expected == nil || expected == "$any" {
		if (expected == nil) != (actual == nil) {
			return fmt.Errorf("%s: expected %v, got %v", path, expected, actual)
		}
		return nil
	}
	switch wanted := expected.(type) {
	case map[string]interface{}:
		if found, ok := actual.(map[string]interface{}); ok {
			for key, value := range wanted {
				if err := compare(path+"."+key, value, found[key]); err != nil {
					return err
				}
			}
			return nil
		}
	case []interface{}:
		if found, ok := actual.([]interface{}); ok && len(found) == len(wanted) {
			for i, value := range wanted {
				if err := compare(fmt.Sprintf("%s[%d]", path, i), value, found[i]); err != nil {
					return err
				}
			}
			return nil
		}
	default:
		if reflect.DeepEqual(expected, actual) {
			return nil
		}
	}
	return fmt.Errorf("%s: expected %v, got %v", path, expected, actual)
}

// types gives the request and reply of a method (nil: there is none) and whether it streams.
func types(call string) (request, reply proto.Message, stream bool) {
	client := reflect.TypeOf((*paretune.StoreServiceClient)(nil)).Elem()
	if strings.Contains(call, "OptimizerService") {
		client = reflect.TypeOf((*paretune.OptimizerServiceClient)(nil)).Elem()
	}
	method, found := client.MethodByName(call[strings.Index(call, "/")+1:])
	if !found {
		return nil, nil, false
	}
	out := method.Type.Out(0)
	if out.Kind() == reflect.Interface {
		receive, _ := out.MethodByName("Recv")
		out, stream = receive.Type.Out(0), true
	}
	instance := func(t reflect.Type) proto.Message { return reflect.New(t.Elem()).Interface().(proto.Message) }
	return instance(method.Type.In(1)), instance(out), stream
}

func encode(s step, request proto.Message, m memory) ([]byte, error) {
	if s.Request == nil {
		return hex.DecodeString(s.RequestHex)
	}
	document := m.filled(s.Request).(map[string]interface{})
	if mask, ok := document["update_mask"].(string); ok { // this jsonpb knows no field masks
		document["update_mask"] = map[string]interface{}{"paths": strings.Split(mask, ",")}
	}
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	if err := jsonpb.Unmarshal(bytes.NewReader(text), request); err != nil {
		return nil, err
	}
	return proto.Marshal(request)
}

// exchange gives the last bytes received: the reply, or reply number s.Replies of a stream.
func exchange(channel *grpc.ClientConn, s step, request []byte, stream bool) (reply []byte, err error) {
	limit := 30 * time.Second
	if s.DeadlineMs > 0 {
		limit = time.Duration(s.DeadlineMs) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	caller := ownToken()
	if s.Token != nil {
		caller = token(*s.Token)
	}
	options := []grpc.CallOption{grpc.ForceCodec(raw{}), grpc.PerRPCCredentials(caller)}
	if !stream {
		err = channel.Invoke(ctx, "/"+s.Call, &request, &reply, options...)
		return reply, err
	}
	replies, err := channel.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+s.Call, options...)
	if err != nil {
		return nil, err
	}
	if err := replies.SendMsg(&request); err != nil {
		return nil, err
	}
	if err := replies.CloseSend(); err != nil {
		return nil, err
	}
	for number := 1; ; number++ {
		if err := replies.RecvMsg(&reply); err != nil || number == s.Replies {
			return reply, err
		}
	}
}

func checkError(s step, failure error, m memory) error {
	said := status.Convert(failure)
	if s.Status == "" {
		return fmt.Errorf("expected OK, got %v", said)
	}
	if err := compare("status", s.Status, codeNames[said.Code()]); err != nil {
		return err
	}
	reason, metadata, fields, retryMs := "", map[string]interface{}{}, map[string]bool{}, int64(-1)
	for _, detail := range said.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			reason = d.Reason
			for key, value := range d.Metadata {
				metadata[key] = value
			}
		case *errdetails.BadRequest:
			for _, violation := range d.FieldViolations {
				fields[violation.Field] = true
			}
		case *errdetails.RetryInfo:
			retryMs = d.RetryDelay.GetSeconds()*1000 + int64(d.RetryDelay.GetNanos())/1e6
		}
	}
	if s.Reason != "" && s.Reason != reason {
		return fmt.Errorf("reason: expected %s, got %s", s.Reason, reason)
	}
	if s.RetryMs != nil && *s.RetryMs != retryMs {
		return fmt.Errorf("retry_ms: expected %d, got %d", *s.RetryMs, retryMs)
	}
	for _, field := range s.Fields {
		if !fields[field] {
			return fmt.Errorf("fields: %s is not among %v", field, fields)
		}
	}
	if s.Metadata != nil {
		return compare("metadata", m.filled(s.Metadata), interface{}(metadata))
	}
	return nil
}

func run(channel *grpc.ClientConn, s step, m memory) error {
	request, message, stream := types(s.Call)
	sent, err := encode(s, request, m)
	if err != nil {
		return err
	}
	reply, err := exchange(channel, s, sent, stream)
	if err != nil {
		return checkError(s, err, m)
	}
	if s.Status != "" {
		return fmt.Errorf("expected %s, got OK", s.Status)
	}
	if s.Equals != "" && !bytes.Equal(reply, m.kept[s.Equals]) {
		return fmt.Errorf("the reply differs from the first one")
	}
	if s.Remember != "" {
		m.kept[s.Remember] = reply
	}
	if err := proto.Unmarshal(reply, message); err != nil {
		return err
	}
	text, err := (&jsonpb.Marshaler{OrigName: true}).MarshalToString(message)
	if err != nil {
		return err
	}
	var document interface{}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return err
	}
	if s.Reply != nil {
		if err := compare("reply", m.filled(s.Reply), document); err != nil {
			return err
		}
	}
	for name, path := range s.Save {
		value := document
		for _, key := range strings.Split(path, ".") {
			if index, err := strconv.Atoi(key); err == nil {
				value = value.([]interface{})[index]
			} else {
				value = value.(map[string]interface{})[key]
			}
		}
		m.known[name] = value.(string)
	}
	return nil
}

func main() {
	channel, err := connect(os.Args[1])
	if err != nil {
		panic(err)
	}
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		panic(err)
	}
	m := memory{map[string]string{"run": hex.EncodeToString(random)}, map[string][]byte{}}
	number, failed := 0, 0
	for _, file := range os.Args[2:] {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		var cases []struct {
			Name  string `json:"name"`
			Steps []step `json:"steps"`
		}
		if err := json.Unmarshal(text, &cases); err != nil {
			panic(err)
		}
		for _, c := range cases {
			number++
			verdict, remark := "ok", ""
			for _, s := range c.Steps {
				if err := run(channel, s, m); err != nil {
					failed++
					verdict, remark = "not ok", fmt.Sprintf("\n# %s: %v", s.Call, err)
					break
				}
			}
			fmt.Printf("%s %d - %s%s\n", verdict, number, c.Name, remark)
		}
	}
	fmt.Printf("1..%d\n", number)
	if failed > 0 {
		os.Exit(1)
	}
}
