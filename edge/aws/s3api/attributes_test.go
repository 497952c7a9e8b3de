package s3api_test

import (
	"net/url"
	"slices"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

// testAttributes asks for all attributes of an object of two parts, one part at a time, and for those of one that was put at once.
func testAttributes(t *testing.T, c *s3.Client, key string, parts []types.Part) {
	t.Helper()
	ask := func(key, marker string, names ...types.ObjectAttributes) (*s3.GetObjectAttributesOutput, error) {
		in := &s3.GetObjectAttributesInput{Bucket: sdk.String("data"), Key: &key, ObjectAttributes: names, MaxParts: sdk.Int32(1)}
		if marker != "" {
			in.PartNumberMarker = &marker
		}
		return c.GetObjectAttributes(t.Context(), in)
	}
	out, err := ask(key, "", types.ObjectAttributes("").Values()...)
	got := must(t, out, err)
	if *got.ObjectSize != 5<<20+3 || got.StorageClass != types.StorageClassStandard || len(*got.ETag) != 34 || got.LastModified == nil ||
		got.Checksum.ChecksumCRC32C == nil || got.Checksum.ChecksumType != types.ChecksumTypeComposite {
		t.Errorf("attributes: %+v", got)
	}
	for i, p := 0, got.ObjectParts; i < 2; i++ {
		if *p.TotalPartsCount != 2 || *p.IsTruncated != (i == 0) || len(p.Parts) != 1 || *p.Parts[0].PartNumber != int32(i+1) ||
			*p.Parts[0].Size != *parts[i].Size || *p.Parts[0].ChecksumCRC32C != *parts[i].ChecksumCRC32C {
			t.Errorf("page %d of the parts: %+v", i, p)
		}
		if i == 0 {
			out, err := ask(key, *p.NextPartNumberMarker, types.ObjectAttributesObjectParts)
			p = must(t, out, err).ObjectParts
		}
	}

	put(t, c, "small", "x")
	out, err = ask("small", "", types.ObjectAttributesObjectParts, types.ObjectAttributesEtag)
	if got := must(t, out, err); got.ObjectParts != nil || got.ObjectSize != nil || got.ETag == nil {
		t.Errorf("attributes of a small object: %+v", got)
	}
	_, err = ask("small", "", "Owner")
	refused(t, err, "InvalidArgument", "Invalid attribute name")
	_, err = ask("gone", "", types.ObjectAttributesEtag)
	refused(t, err, "NoSuchKey", "")
}

// TestListUploads pages through uploads under way: two of one key, and some under a common prefix.
func TestListUploads(t *testing.T) {
	t.Parallel()
	_, c := withBucket(t)
	var want []string
	for _, key := range []string{"a", "a", "b c", "dir/x", "dir/y", "é"} {
		u, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: sdk.String("data"), Key: &key, ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
		want = append(want, key+" "+*must(t, u, err).UploadId)
	}
	for _, limit := range []int32{1, 2, 4, 1000} {
		for _, delimiter := range []string{"", "/"} {
			var got []string
			in := &s3.ListMultipartUploadsInput{Bucket: sdk.String("data"), MaxUploads: &limit, EncodingType: types.EncodingTypeUrl}
			if delimiter != "" {
				in.Delimiter = &delimiter
			}
			pages := s3.NewListMultipartUploadsPaginator(c, in)
			for pages.HasMorePages() {
				out, err := pages.NextPage(t.Context())
				page := must(t, out, err)
				if n := len(page.Uploads) + len(page.CommonPrefixes); n == 0 || n > int(limit) {
					t.Fatalf("a page of %d, want 1 to %d", n, limit)
				}
				for _, u := range page.Uploads {
					key, err := url.PathUnescape(*u.Key)
					got = append(got, must(t, key, err)+" "+*u.UploadId)
					if *u.Owner.ID != account || u.ChecksumAlgorithm != types.ChecksumAlgorithmSha256 {
						t.Errorf("an upload: %+v", u)
					}
				}
				for _, p := range page.CommonPrefixes {
					got = append(got, *p.Prefix)
				}
			}
			all := want
			if delimiter != "" {
				all = append(append(slices.Clone(want[:3]), want[5]), "dir/")
				slices.Sort(all)
				slices.Sort(got)
			}
			if diff := cmp.Diff(all, got); diff != "" {
				t.Errorf("%d at a time, by %q: %s", limit, delimiter, diff)
			}
		}
	}
	out, err := c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: sdk.String("data"), Prefix: sdk.String("a"), KeyMarker: sdk.String("a")})
	if got := must(t, out, err); len(got.Uploads) != 0 || *got.IsTruncated {
		t.Errorf("behind all uploads of a key: %+v", got.Uploads)
	}
}

// TestTheOnlyVersion is what clients find that ask for versions, as those that empty buckets do, and for what an object may have on AWS.
func TestTheOnlyVersion(t *testing.T) {
	t.Parallel()
	_, c := withBucket(t)
	for _, key := range []string{"a", "b", "d/x", "d/y"} {
		put(t, c, key, key)
	}
	var keys []string
	pages := s3.NewListObjectVersionsPaginator(c, &s3.ListObjectVersionsInput{Bucket: sdk.String("data"), MaxKeys: sdk.Int32(1)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(t.Context())
		for _, v := range must(t, out, err).Versions {
			keys = append(keys, *v.Key+" "+*v.VersionId)
		}
	}
	if diff := cmp.Diff([]string{"a null", "b null", "d/x null", "d/y null"}, keys); diff != "" {
		t.Error(diff)
	}
	if got, _ := get(t, c, &s3.GetObjectInput{Key: sdk.String("a"), VersionId: sdk.String("null")}); got != "a" {
		t.Errorf("the version null is %q", got)
	}
	copied, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: sdk.String("data"), Key: sdk.String("c"), CopySource: sdk.String("data/a?versionId=null")})
	must(t, copied, err)
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: sdk.String("data"), Key: sdk.String("a"), VersionId: sdk.String("other")})
	refused(t, err, "NoSuchVersion", "")
	_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: sdk.String("data"), Key: sdk.String("a"), VersionId: sdk.String("null")})
	must(t, 0, err)

	tags, err := c.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: sdk.String("data"), Key: sdk.String("b")})
	if got := must(t, tags, err); len(got.TagSet) != 0 {
		t.Errorf("tags: %v", got.TagSet)
	}
	acl, err := c.GetObjectAcl(t.Context(), &s3.GetObjectAclInput{Bucket: sdk.String("data"), Key: sdk.String("b")})
	if got := must(t, acl, err); *got.Owner.ID != account || len(got.Grants) != 1 {
		t.Errorf("ACL: %+v", got)
	}
	_, err = c.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: sdk.String("data"), Key: sdk.String("a")})
	refused(t, err, "NoSuchKey", "")
	_, err = c.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: sdk.String("data"), Key: sdk.String("b"), Tagging: &types.Tagging{TagSet: []types.Tag{}}})
	refused(t, err, "NotImplemented", "tagging")
}
