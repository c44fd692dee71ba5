package simulator

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A bucket keeps objects. With versions it keeps every one that was put.
type bucket struct {
	versioned bool
	objects   map[string][]object // by key, the newest last
}

type object struct {
	body     []byte
	etag     string // quoted
	version  string // "null" in buckets without versions
	modified time.Time
}

// A Bucket is a bucket to make or to change.
type Bucket struct {
	Name     string `json:"name"`
	Versions bool   `json:"versions"`
}

// AddBucket makes a bucket, or changes the one of that name.
func (s *Simulator) AddBucket(in Bucket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.Name == "" || strings.Contains(in.Name, "/") {
		return fmt.Errorf("bucket %q: not a name", in.Name)
	}
	b := s.buckets[in.Name]
	if b == nil {
		b = &bucket{objects: map[string][]object{}}
		s.buckets[in.Name] = b
	}
	b.versioned = in.Versions
	return nil
}

// PutObject writes an object; its bucket is made if need be.
func (s *Simulator) PutObject(name, key string, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "" || key == "" {
		return fmt.Errorf("object %q in bucket %q: needs both names", key, name)
	}
	if s.buckets[name] == nil {
		s.buckets[name] = &bucket{objects: map[string][]object{}}
	}
	s.put(s.buckets[name], key, body)
	return nil
}

func (s *Simulator) put(b *bucket, key string, body []byte) object {
	sum := md5.Sum(body)
	o := object{body: bytes.Clone(body), etag: `"` + hex.EncodeToString(sum[:]) + `"`, version: "null", modified: s.now()}
	if b.versioned {
		o.version = s.id("v", 10)
		b.objects[key] = append(b.objects[key], o)
	} else {
		b.objects[key] = []object{o}
	}
	return o
}

// DeleteObject removes an object with all its versions.
func (s *Simulator) DeleteObject(name, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[name]; b != nil {
		delete(b.objects, key)
	}
	return nil
}

// keys returns the keys with a prefix, ascending.
func (b *bucket) keys(prefix string) []string {
	var ks []string
	for k := range b.objects {
		if strings.HasPrefix(k, prefix) {
			ks = append(ks, k)
		}
	}
	slices.Sort(ks)
	return ks
}

// serveObject puts and deletes objects for whoever runs the simulator: /_admin/objects/BUCKET/KEY.
func (s *Simulator) serveObject(w http.ResponseWriter, r *http.Request, path string) {
	name, key, _ := strings.Cut(path, "/")
	if r.Method == http.MethodDelete {
		answer(w, nil, s.DeleteObject(name, key))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = s.PutObject(name, key, body)
	}
	answer(w, nil, err)
}

func s3Error(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	writeXML(w, struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: message}, "")
}

// serveS3 answers what reading and writing whole objects needs, with paths as /BUCKET/KEY. Rights
// are not simulated: whoever has keys reads every bucket.
func (s *Simulator) serveS3(w http.ResponseWriter, r *http.Request, body []byte, a auth, authErr *Error) {
	if authErr != nil {
		s3Error(w, authErr.Status, authErr.Code, authErr.Message)
		return
	}
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	operation := map[string]string{"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}[r.Method]
	if key == "" {
		operation = map[string]string{"GET": "ListObjectsV2", "HEAD": "HeadBucket", "PUT": "CreateBucket"}[r.Method]
	}
	f := s.fault("s3", operation, a.caller.Account)
	if f != nil {
		switch f.Kind {
		case FaultThrottle:
			s3Error(w, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
		case FaultInternal:
			s3Error(w, http.StatusInternalServerError, "InternalError", "internal failure")
		case FaultError:
			s3Error(w, max(f.Status, http.StatusBadRequest), f.Code, f.Message)
		case FaultHang:
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		case FaultDrop:
			panic(http.ErrAbortHandler)
		}
		if f.Kind != FaultLost && f.Kind != FaultLost500 {
			return
		}
	}
	answer := s.s3(operation, name, key, r, body)
	if f != nil { // the effect is there; of the answer comes half, or an error
		if f.Kind == FaultLost500 {
			s3Error(w, http.StatusInternalServerError, "InternalError", "internal failure")
			return
		}
		answer(&half{ResponseWriter: w})
		panic(http.ErrAbortHandler)
	}
	answer(w)
}

// half lets half of the first write through, and nothing after it.
type half struct {
	http.ResponseWriter
	cut bool
}

func (h *half) Write(b []byte) (int, error) {
	if h.cut {
		return len(b), nil
	}
	h.cut = true
	if _, err := h.ResponseWriter.Write(b[:len(b)/2]); err != nil {
		return 0, err
	}
	if f, ok := h.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	return len(b), nil
}

// s3 carries out an operation and returns what answers it.
func (s *Simulator) s3(operation, name, key string, r *http.Request, body []byte) func(http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fail := func(status int, code string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { s3Error(w, status, code, code+" "+name+"/"+key) }
	}
	b := s.buckets[name]
	if operation == "CreateBucket" && b == nil {
		s.buckets[name] = &bucket{objects: map[string][]object{}}
		return func(http.ResponseWriter) {}
	}
	if b == nil {
		return fail(http.StatusNotFound, "NoSuchBucket")
	}
	switch operation {
	case "CreateBucket", "HeadBucket":
		return func(http.ResponseWriter) {}
	case "ListObjectsV2":
		return s.listObjects(b, name, r)
	case "PutObject":
		if strings.Contains(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING") {
			var err error
			if body, err = unchunk(body); err != nil {
				return fail(http.StatusBadRequest, "IncompleteBody")
			}
		}
		o := s.put(b, key, body)
		return func(w http.ResponseWriter) {
			w.Header().Set("ETag", o.etag)
			if b.versioned {
				w.Header().Set("X-Amz-Version-Id", o.version)
			}
		}
	case "DeleteObject":
		delete(b.objects, key)
		return func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }
	case "GetObject", "HeadObject":
		versions := b.objects[key]
		if v := r.URL.Query().Get("versionId"); v != "" {
			versions = slices.DeleteFunc(slices.Clone(versions), func(o object) bool { return o.version != v })
			if len(versions) == 0 {
				return fail(http.StatusNotFound, "NoSuchVersion")
			}
		}
		if len(versions) == 0 {
			return fail(http.StatusNotFound, "NoSuchKey")
		}
		o := versions[len(versions)-1]
		if m := r.Header.Get("If-Match"); m != "" && m != o.etag {
			return fail(http.StatusPreconditionFailed, "PreconditionFailed")
		}
		r.Header.Del("If-Match") // checked; ServeContent would check it again
		return func(w http.ResponseWriter) {
			w.Header().Set("ETag", o.etag)
			w.Header().Set("Content-Type", "binary/octet-stream")
			if b.versioned {
				w.Header().Set("X-Amz-Version-Id", o.version)
			}
			http.ServeContent(w, r, "", o.modified, bytes.NewReader(o.body))
		}
	}
	return fail(http.StatusMethodNotAllowed, "MethodNotAllowed")
}

func (s *Simulator) listObjects(b *bucket, name string, r *http.Request) func(http.ResponseWriter) {
	q := r.URL.Query()
	size := 1000
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil && n > 0 && n < size {
		size = n
	}
	if s.settings.PageSize > 0 {
		size = min(size, s.settings.PageSize)
	}
	type content struct {
		Key          string
		LastModified string
		ETag         string
		Size         int
		StorageClass string
	}
	type commonPrefix struct{ Prefix string }
	out := struct {
		XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name                  string
		Prefix                string
		Delimiter             string `xml:",omitempty"`
		KeyCount              int
		MaxKeys               int
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
		CommonPrefixes        []commonPrefix
	}{Name: name, Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"), MaxKeys: size}
	last := max(q.Get("continuation-token"), q.Get("start-after"))
	for _, k := range b.keys(out.Prefix) {
		entry, folder := k, false
		if head, _, ok := strings.Cut(k[len(out.Prefix):], out.Delimiter); ok && out.Delimiter != "" {
			entry, folder = out.Prefix+head+out.Delimiter, true
		}
		if entry <= last {
			continue
		}
		if out.KeyCount == size {
			out.IsTruncated, out.NextContinuationToken = true, last
			break
		}
		out.KeyCount++
		last = entry
		if folder {
			out.CommonPrefixes = append(out.CommonPrefixes, commonPrefix{entry})
			continue
		}
		o := b.objects[k][len(b.objects[k])-1]
		out.Contents = append(out.Contents, content{k, o.modified.Format("2006-01-02T15:04:05.000Z"), o.etag, len(o.body), "STANDARD"})
	}
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/xml")
		writeXML(w, out, "")
	}
}

// unchunk takes an upload out of its aws-chunked framing: a size in hexadecimal, the bytes, and so
// on until a size of 0; what follows are trailers.
func unchunk(framed []byte) ([]byte, error) {
	in := bufio.NewReader(bytes.NewReader(framed))
	var body bytes.Buffer
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		n, err := strconv.ParseInt(size, 16, 32)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return body.Bytes(), nil
		}
		if _, err := io.CopyN(&body, in, n); err != nil {
			return nil, err
		}
		if _, err := in.Discard(len("\r\n")); err != nil {
			return nil, err
		}
	}
}
