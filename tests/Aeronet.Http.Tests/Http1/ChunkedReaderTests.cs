using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using CsCheck;
using Xunit;
using static Aeronet.Http.Tests.Http1.RequestReading;

namespace Aeronet.Http.Tests.Http1;

public sealed class ChunkedReaderTests
{
    private const long HeadLength = 1000;

    private sealed record Outcome(ChunkedStatus Status, RejectionReason Reason, int HttpStatus, long Offset, string Content, long Consumed, long Overhead);

    /// <summary>Feeds the input in the given pieces, takes content at most <paramref name="takeMax"/> bytes at a time.</summary>
    private static Outcome Read(byte[] input, IEnumerable<int> cuts, int takeMax = int.MaxValue, Http1Limits? limits = null)
    {
        ChunkedReader reader = default;
        reader.Reset(HeadLength);
        StringBuilder content = new();
        int at = 0;
        foreach (int cut in cuts)
        {
            while (true)
            {
                byte[] piece = input.AsSpan(at, cut - at).ToArray();
                ChunkedStatus status = reader.Read(piece, limits ?? Http1Limits.Default, out int consumed, out int dataLength, out ProtocolError error);
                Assert.InRange(consumed, 0, piece.Length);
                at += consumed;
                if (status == ChunkedStatus.Data)
                {
                    // Progress: content is there, and within the piece.
                    Assert.InRange(dataLength, 1, piece.Length - consumed);
                    int take = Math.Min(takeMax, dataLength);
                    content.Append(Encoding.Latin1.GetString(piece, consumed, take));
                    reader.TakeData(take);
                    at += take;
                    continue;
                }

                Assert.Equal(0, dataLength);
                if (status == ChunkedStatus.NeedMore)
                {
                    Assert.Equal(cut, at);
                    break;
                }

                Assert.Equal(HeadLength + at, reader.OffsetInRequest);
                return new Outcome(status, error.Reason, error.Status, error.Offset - HeadLength, content.ToString(), at, reader.OverheadBytes);
            }
        }

        return new Outcome(ChunkedStatus.NeedMore, RejectionReason.None, 0, 0, content.ToString(), at, reader.OverheadBytes);
    }

    private static Outcome ReadWhole(string input, Http1Limits? limits = null) => Read(Bytes(input), [input.Length], int.MaxValue, limits);

    private static void RefuseAt(string marked, RejectionReason reason, Http1Limits? limits = null)
    {
        int at = marked.IndexOf('¤', StringComparison.Ordinal);
        Outcome outcome = ReadWhole(marked.Remove(at, 1), limits);
        Assert.Equal((ChunkedStatus.Failed, reason, 400, (long)at), (outcome.Status, outcome.Reason, outcome.HttpStatus, outcome.Offset));
    }

    public static TheoryData<string> Corpus => new(
        "0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n",
        "000a\r\n0123456789\r\n00\r\n\r\n",
        "A\r\n0123456789\r\na;x\r\n0123456789\r\n0;y=z\r\n\r\n",
        "1 ; a = b ; c=\"d\\\"\t;e\" ;f\r\nx\r\n0\r\n\r\n",
        "2;a=\"\u00e9\"\r\n\r\n\r\n0\r\n\r\n",
        "5\r\nhelloX",
        "5\r\nhello\rX",
        "5;a\nhello\r\n",
        "5;a\rb\r\n",
        "\r\n",
        ";a\r\n",
        "g\r\n",
        "80000000\r\n",
        "5;a=\"b\0\"\r\n",
        "5;\r\n");

    [Theory]
    [MemberData(nameof(Corpus))]
    [Trait("Defect", "BODY-6")]
    public void Cut_at_every_byte_and_fed_byte_by_byte_gives_the_same_result(string input)
    {
        byte[] bytes = Bytes(input);
        Outcome whole = ReadWhole(input);
        for (int cut = 0; cut <= bytes.Length; cut++)
        {
            Assert.Equal(whole, Read(bytes, [cut, bytes.Length]));
            Assert.Equal(whole, Read(bytes, [cut, bytes.Length], 2));
        }

        Assert.Equal(whole, Read(bytes, Enumerable.Range(0, bytes.Length + 1)));
    }

    [Fact]
    [Trait("Rfc", "9112 7.1")]
    public void Decodes_content_and_counts_overhead()
    {
        const string input = "5\r\nhello\r\n6\r\n world\r\n0\r\n";
        Outcome outcome = ReadWhole(input + "Trailer: x\r\n\r\n");
        Assert.Equal(ChunkedStatus.Trailers, outcome.Status);
        Assert.Equal("hello world", outcome.Content);
        Assert.Equal(input.Length, outcome.Consumed);
        Assert.Equal(input.Length - 11, outcome.Overhead);
    }

    [Theory]
    [InlineData("1", 1)]
    [InlineData("a", 10)]
    [InlineData("A", 10)]
    [InlineData("1f", 31)]
    [InlineData("0000000010", 16)]
    [Trait("Rfc", "9112 7.1")]
    public void Takes_hex_sizes_in_either_case_and_with_leading_zeros(string size, int length)
    {
        Outcome outcome = ReadWhole(size + "\r\n" + new string('x', length) + "\r\n0\r\n");
        Assert.Equal((ChunkedStatus.Trailers, length), (outcome.Status, outcome.Content.Length));
    }

    [Fact]
    [Trait("Rfc", "9112 7.1")]
    public void Content_may_hold_anything_that_looks_like_framing()
    {
        Outcome outcome = ReadWhole("7\r\n0\r\n\r\n\r\n\r\n0\r\n");
        Assert.Equal((ChunkedStatus.Trailers, "0\r\n\r\n\r\n"), (outcome.Status, outcome.Content));
    }

    [Theory]
    [InlineData("¤\r\n")]
    [InlineData("¤;a\r\n")]
    [InlineData("¤ 1\r\n")]
    [InlineData("¤+1\r\n")]
    [InlineData("¤-1\r\n")]
    [InlineData("0¤x1\r\n")]
    [InlineData("1¤,\r\n")]
    [InlineData("1¤\0\r\n")]
    [InlineData("¤g\r\n")]
    [InlineData("¤\n")]
    [InlineData("8000000¤0\r\n")]
    [InlineData("fffffff¤fff\r\n")]
    [InlineData("0000000000¤1\r\n")]
    [Trait("Rfc", "9112 7.1")]
    [Trait("Defect", "BODY-3")]
    [Trait("Defect", "BODY-4")]
    [Trait("Defect", "BODY-5")]
    public void Refuses_a_bad_size_with_400(string marked)
    {
        RefuseAt(marked, RejectionReason.BadChunkSizeData);
    }

    [Fact]
    [Trait("Defect", "BODY-5")]
    public void The_largest_size_is_two_gigabytes_less_one()
    {
        Assert.Equal(ChunkedStatus.NeedMore, ReadWhole("7fffffff\r\nx").Status);
    }

    [Theory]
    [InlineData("5\r\nhello¤X\r\n0\r\n\r\n")]
    [InlineData("5\r\nhello¤\n0\r\n\r\n")]
    [InlineData("5\r\nhello\r¤X")]
    [InlineData("5\r\nhello\r¤\r\n")]
    [InlineData("5\r\nhello¤0\r\n\r\n")]
    [Trait("Rfc", "9112 7.1")]
    [Trait("Defect", "BODY-2")]
    public void Refuses_content_that_is_not_followed_by_crlf_at_once(string marked)
    {
        RefuseAt(marked, RejectionReason.BadChunkSuffix);
        RefuseAt(marked, RejectionReason.BadChunkSuffix, new Http1Limits { AllowLineFeedTerminators = true });
    }

    [Theory]
    [InlineData("5¤\nhello")]
    [Trait("Rfc", "9112 2.2")]
    [Trait("Defect", "PARSE-17")]
    public void A_bare_line_feed_ends_a_size_only_behind_the_option(string marked)
    {
        RefuseAt(marked, RejectionReason.BareLineFeed);
        Outcome outcome = ReadWhole(marked.Replace("¤", "", StringComparison.Ordinal), new Http1Limits { AllowLineFeedTerminators = true });
        Assert.Equal("hello", outcome.Content);
    }

    [Theory]
    [InlineData("5;a")]
    [InlineData("5;a=b")]
    [InlineData("5;a=\"b\"")]
    [InlineData("5;a=\"b")]
    [InlineData("5;a=\"b\\")]
    [InlineData("5;a ")]
    [InlineData("5;a=b ")]
    [InlineData("5;")]
    [InlineData("5 ")]
    [Trait("Rfc", "9112 7.1.1")]
    [Trait("Defect", "BODY-1")]
    public void Refuses_a_bare_line_feed_in_or_after_an_extension_with_and_without_the_option(string line)
    {
        RefuseAt(line + "¤\nhello", RejectionReason.BadChunkExtension);
        RefuseAt(line + "¤\nhello", RejectionReason.BadChunkExtension, new Http1Limits { AllowLineFeedTerminators = true });
    }

    [Theory]
    [InlineData("5;a\r¤b\r\n")]
    [InlineData("5;a=b\r¤\r\n")]
    [InlineData("5;a=\"b\"\r¤;c\r\n")]
    [InlineData("5\r¤;a\r\n")]
    [InlineData("5\r¤5\r\n")]
    [Trait("Rfc", "9112 7.1.1")]
    [Trait("Defect", "BODY-1")]
    public void Refuses_a_bare_carriage_return_in_a_size_line(string marked)
    {
        RefuseAt(marked, RejectionReason.BareCarriageReturn);
    }

    [Fact]
    [Trait("Rfc", "9112 7.1.1")]
    [Trait("Defect", "BODY-1")]
    public void Judges_all_256_bytes_in_extension_names_values_and_quoted_strings()
    {
        for (int value = 0; value < 256; value++)
        {
            char c = (char)value;
            bool isToken = char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal);
            bool isText = c == '\t' || (value >= 0x20 && value != 0x7F);
            AssertExtension("1;a" + c + "b\r\n", isToken || c is '=' or ';', value);
            AssertExtension("1;a=b" + c + "c\r\n", isToken || c == ';', value);
            AssertExtension("1;a=\"b" + c + "c\"\r\n", isText && c is not '"', value);
            AssertExtension("1;a=\"b\\" + c + "c\"\r\n", isText, value);
        }

        static void AssertExtension(string line, bool accepted, int value)
        {
            Outcome outcome = ReadWhole(line);
            Assert.True((outcome.Status == ChunkedStatus.NeedMore) == accepted, string.Create(CultureInfo.InvariantCulture, $"byte {value} in {line}: {outcome}"));
        }
    }

    [Theory]
    [InlineData("1;¤\r\n")]
    [InlineData("1;¤;a\r\n")]
    [InlineData("1;a=¤\r\n")]
    [InlineData("1;a=b ¤\r\n")]
    [InlineData("1;a=b ¤c\r\n")]
    [InlineData("1 ¤\r\n")]
    [InlineData("1 ¤1\r\n")]
    [InlineData("1;¤=b\r\n")]
    [Trait("Rfc", "9112 7.1.1")]
    public void Refuses_extensions_outside_the_grammar(string marked)
    {
        RefuseAt(marked, RejectionReason.BadChunkExtension);
    }

    [Fact]
    [Trait("Rfc", "9112 7.1.1")]
    public void Ignores_extensions_that_it_does_not_know()
    {
        Outcome outcome = ReadWhole("2;sig=0123;x=\"a;b\\\"c\" ; y\r\nok\r\n0;z\r\n");
        Assert.Equal((ChunkedStatus.Trailers, "ok"), (outcome.Status, outcome.Content));
    }

    [Fact]
    [Trait("Defect", "BODY-5")]
    public void All_extensions_of_a_body_share_one_limit()
    {
        Http1Limits limits = new() { ChunkExtensionsSizeMax = 20 };
        const string chunk = "1;abc\r\nx\r\n"; // five bytes of extension, its CR included
        Assert.Equal(ChunkedStatus.NeedMore, ReadWhole(string.Concat(Enumerable.Repeat(chunk, 4)), limits).Status);
        RefuseAt(string.Concat(Enumerable.Repeat(chunk, 4)) + "1¤;abc\r\nx\r\n", RejectionReason.ChunkExtensionsTooLong, limits);
    }

    [Fact]
    [Trait("Defect", "BODY-5")]
    public void One_byte_chunks_count_their_framing()
    {
        Outcome outcome = ReadWhole(string.Concat(Enumerable.Repeat("1\r\nx\r\n", 1000)));
        Assert.Equal((1000, 5000L), (outcome.Content.Length, outcome.Overhead));
    }

    [Fact]
    [Trait("Defect", "BODY-6")]
    [Trait("Defect", "PARSE-20")]
    public void Random_bodies_cut_anywhere_give_the_same_result_and_never_throw()
    {
        Gen<string> part = Gen.OneOf(
            "0", "1", "5", "a", "ff", "\r\n", "\r", "\n", ";", "=", "\"", "\\", "x", "hello", " ", "\t", "\0", "1\r\nx\r\n", "5\r\nhello\r\n", "0\r\n", ";a=b", "\u00ff");
        Gen.Select(part.Array[0, 14], Gen.Int[0, 200].Array[0, 5], Gen.Int[1, 9]).Sample(
            (parts, points, takeMax) =>
            {
                byte[] bytes = Bytes(string.Concat(parts));
                List<int> cuts = [.. points.Select(p => p % (bytes.Length + 1)).Append(bytes.Length).Order()];
                return Read(bytes, [bytes.Length]) == Read(bytes, cuts, takeMax);
            },
            iter: 20_000,
            threads: 1);
    }

    [Fact]
    public void Whatever_the_writer_frames_the_reader_reads()
    {
        Gen.Int[1, 300].Array[0, 8].Sample(
            sizes =>
            {
                List<byte> wire = [];
                int total = 0;
                byte[] prefix = new byte[ChunkedWriter.PrefixLengthMax];
                foreach (int size in sizes)
                {
                    wire.AddRange(prefix.AsSpan(0, ChunkedWriter.WritePrefix(prefix, size)));
                    wire.AddRange(Enumerable.Repeat((byte)'x', size));
                    wire.AddRange(ChunkedWriter.Suffix);
                    total += size;
                }

                wire.AddRange(ChunkedWriter.End);
                Outcome outcome = Read([.. wire], [wire.Count]);
                return outcome.Status == ChunkedStatus.Trailers && outcome.Content.Length == total && outcome.Consumed == wire.Count - 2;
            },
            iter: 500,
            threads: 1);
    }
}
