package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithy "github.com/aws/smithy-go"

	"github.com/arrears-billing/arrears/ingest"
)

// Bucket returns the deliveries below a location such as s3://bucket/prefix, read with the
// credentials found. What is read is pinned to the entity tag listed: an object that was written
// since is an error that wraps ingest.ErrUnstable.
func (c *Client) Bucket(location string) (ingest.Store, error) {
	rest, ok := strings.CutPrefix(location, "s3://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return nil, fmt.Errorf("source %q: not s3://bucket/prefix", location)
	}
	b := &bucketStore{name: bucket, prefix: strings.Trim(prefix, "/"), patience: c.config.Timeout}
	b.client = s3.NewFromConfig(c.base, func(o *s3.Options) {
		// A large range takes its time: what is bounded is the wait for the answer and for each read.
		o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = c.config.Timeout })
		o.UsePathStyle = c.base.BaseEndpoint != nil
		// Ranges carry no checksum of the object; asking for one only logs that there is none.
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	return b, nil
}

// A bucketStore is an ingest.Store below a prefix of a bucket.
type bucketStore struct {
	name, prefix string
	patience     time.Duration // how long one read may bring nothing

	mu     sync.Mutex
	client *s3.Client // of the bucket's region, once that is known
}

// String is the location as the book names it.
func (b *bucketStore) String() string { return "s3://" + path.Join(b.name, b.prefix) }

// under is the prefix of the keys in folder dir.
func (b *bucketStore) under(dir string) string {
	p := path.Join(b.prefix, dir)
	if p == "" {
		return ""
	}
	return p + "/"
}

// list calls do for each page of the listing of a folder; delimiter "/" lists it alone, "" all below it.
func (b *bucketStore) list(ctx context.Context, dir, delimiter string, do func(*s3.ListObjectsV2Output)) error {
	in := &s3.ListObjectsV2Input{Bucket: aws.String(b.name), Prefix: aws.String(b.under(dir))}
	if delimiter != "" {
		in.Delimiter = aws.String(delimiter)
	}
	for {
		out, err := b.s3().ListObjectsV2(ctx, in)
		if err != nil && b.moved(err) {
			out, err = b.s3().ListObjectsV2(ctx, in)
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", b, s3Error(ctx, err))
		}
		do(out)
		if !aws.ToBool(out.IsTruncated) {
			return nil
		}
		if aws.ToString(out.NextContinuationToken) == "" {
			return fmt.Errorf("list %s: a page that is not the last names no next one", b)
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}

func (b *bucketStore) s3() *s3.Client {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.client
}

// moved says whether an error tells that the bucket is in another region, and goes there.
func (b *bucketStore) moved(err error) bool {
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) || answer.Response == nil {
		return false
	}
	region := answer.Response.Header.Get("X-Amz-Bucket-Region")
	b.mu.Lock()
	defer b.mu.Unlock()
	if region == "" || region == b.client.Options().Region {
		return false
	}
	b.client = s3.New(b.client.Options(), func(o *s3.Options) { o.Region = region })
	return true
}

// s3Error is an error of S3 in few words, or the context's own.
func s3Error(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return err
	}
	switch status(err) {
	case http.StatusPreconditionFailed:
		return fmt.Errorf("%w: written again since it was listed", ingest.ErrUnstable)
	case http.StatusNotFound:
		if code := answer.ErrorCode(); code == "NoSuchKey" || code == "NotFound" {
			return fmt.Errorf("%w: removed since it was listed", ingest.ErrUnstable)
		}
	}
	return fmt.Errorf("%s: %s", answer.ErrorCode(), cmp.Or(answer.ErrorMessage(), "no reason given"))
}

// Folders implements ingest.Store.
func (b *bucketStore) Folders(ctx context.Context, dir string) ([]string, error) {
	var names []string
	err := b.list(ctx, dir, "/", func(out *s3.ListObjectsV2Output) {
		for _, p := range out.CommonPrefixes {
			names = append(names, path.Base(aws.ToString(p.Prefix)))
		}
	})
	slices.Sort(names)
	return names, err
}

// Files implements ingest.Store. Empty objects whose key ends with a slash stand for folders in
// consoles and are none.
func (b *bucketStore) Files(ctx context.Context, dir string) ([]ingest.File, error) {
	var files []ingest.File
	root := len(b.under(""))
	err := b.list(ctx, dir, "", func(out *s3.ListObjectsV2Output) {
		for _, o := range out.Contents {
			key, size, etag := aws.ToString(o.Key), aws.ToInt64(o.Size), aws.ToString(o.ETag)
			if strings.HasSuffix(key, "/") {
				continue
			}
			files = append(files, ingest.File{
				Name:    key[root:],
				Size:    size,
				Pin:     fmt.Sprintf("%d@%s", size, strings.Trim(etag, `"`)),
				Written: utc(o.LastModified),
				Open: func(ctx context.Context) (ingest.Content, error) {
					return b.open(ctx, key[root:], s3Object{store: b, key: key, etag: etag, size: size})
				},
			})
		}
	})
	slices.SortFunc(files, func(a, b ingest.File) int { return cmp.Compare(a.Name, b.Name) })
	return files, err
}

// open looks whether the object is still the one listed.
func (b *bucketStore) open(ctx context.Context, name string, o s3Object) (ingest.Content, error) {
	o.ctx = ctx
	_, err := b.s3().HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(b.name), Key: aws.String(o.key), IfMatch: aws.String(o.etag)})
	if err != nil {
		return nil, &ingest.DeliveryError{File: name, Err: s3Error(ctx, err)}
	}
	return o, nil
}

// An s3Object is the content of an object as it was listed.
type s3Object struct {
	ctx       context.Context
	store     *bucketStore
	key, etag string
	size      int64
}

// Range implements ingest.Content.
func (o s3Object) Range(off, n int64) (io.ReadCloser, error) {
	if off < 0 || n < 0 || off > o.size || n > o.size-off {
		return nil, fmt.Errorf("no such range: %d bytes from %d of %d", n, off, o.size)
	}
	r := &s3Range{object: o, off: off, left: n}
	if n == 0 {
		return r, nil
	}
	return r, r.ask()
}

// Close implements ingest.Content.
func (s3Object) Close() error { return nil }

// An s3Range streams a range of an object. A stream that breaks off is taken up where it broke,
// a few times.
type s3Range struct {
	object    s3Object
	off, left int64
	body      io.ReadCloser
	cancel    context.CancelFunc // of the request under way
	broken    int                // times in a row without a byte
}

func (r *s3Range) ask() error {
	ctx, cancel := context.WithCancel(r.object.ctx)
	out, err := r.object.store.s3().GetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String(r.object.store.name), Key: aws.String(r.object.key), IfMatch: aws.String(r.object.etag),
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", r.off, r.off+r.left-1)),
	})
	if err != nil {
		cancel()
		return s3Error(r.object.ctx, err)
	}
	if got := aws.ToInt64(out.ContentLength); got != r.left {
		cancel()
		return errors.Join(fmt.Errorf("%d bytes from %d: S3 answers %d", r.left, r.off, got), out.Body.Close())
	}
	r.body, r.cancel = out.Body, cancel
	return nil
}

// Read implements io.Reader.
func (r *s3Range) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	watch := time.AfterFunc(r.object.store.patience, r.cancel)
	n, err := r.body.Read(b[:min(int64(len(b)), r.left)])
	watch.Stop()
	r.off += int64(n)
	r.left -= int64(n)
	if n > 0 {
		r.broken = 0
	}
	switch {
	case err == nil || r.left == 0:
		return n, nil
	case r.object.ctx.Err() != nil:
		return n, context.Cause(r.object.ctx)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if r.broken++; r.broken >= attempts {
		return n, fmt.Errorf("%d bytes before the end: %w", r.left, err)
	}
	if cerr := r.Close(); cerr != nil {
		return n, cerr
	}
	return n, r.ask()
}

// Close implements io.Closer.
func (r *s3Range) Close() error {
	if r.body == nil {
		return nil
	}
	r.cancel()
	return r.body.Close()
}
