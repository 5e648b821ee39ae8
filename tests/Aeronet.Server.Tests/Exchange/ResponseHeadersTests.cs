using System;
using System.Linq;
using System.Text;
using Aeronet.Http.Semantics;
using Aeronet.Server.Exchange;
using CsCheck;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Xunit;

namespace Aeronet.Server.Tests.Exchange;

public sealed class ResponseHeadersTests
{
    [Fact]
    public void Lines_stand_as_set_one_per_value_with_known_names_in_canonical_casing()
    {
        var headers = new ResponseHeaders(null);
        headers["x-Custom"] = "1";
        headers["content-TYPE"] = "text/plain";
        headers["Set-Cookie"] = new StringValues(["a=1", "b=2"]);
        headers["X-Several"] = new StringValues(["1", null, ""]);
        headers.ContentLength = 12;

        Assert.Equal("Content-Length: 12\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nx-Custom: 1\r\nX-Several: 1\r\nX-Several: \r\n", Written(headers));
    }

    [Fact]
    public void Nothing_set_writes_nothing()
    {
        var headers = new ResponseHeaders(null);

        Assert.True(headers.TryWrite([], out int written));
        Assert.Equal(0, written);
        Assert.Equal(0, headers.Measure());
    }

    [Fact]
    public void What_is_written_reads_back_as_what_was_set()
    {
        Gen<string> name = Gen.String[Gen.Char["abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#$%&'*+-.^_`|~"], 1, 20];
        Gen<string> value = Gen.String[Gen.Char["abcXYZ019 \t,;:=\"()<>@\\/[]?{}~"], 0, 80];
        Gen.Select(name, value.Array[1, 3]).Array[0, 40].Sample(
            fields =>
            {
                var headers = new ResponseHeaders(null);
                foreach ((string key, string[] values) in fields.Where(field => KnownHeaders.Lookup(field.Item1) != KnownHeader.ContentLength))
                {
                    headers[key] = values;
                }

                string[] expected = headers.SelectMany(header => header.Value.Select(text => $"{header.Key}: {text}")).ToArray();
                string written = Written(headers);
                Assert.Equal(expected, written.Split("\r\n")[..^1]);
            },
            iter: 500);
    }

    [Fact]
    public void A_destination_one_byte_too_short_is_refused_at_every_length()
    {
        var headers = new ResponseHeaders(_ => Encoding.UTF8);
        headers["Content-Type"] = "text/plain";
        headers["X-Name"] = "D\u00FCrst \u20AC";
        headers["X-A"] = "a";
        headers.ContentLength = 1234567;
        int length = headers.Measure();

        for (int i = 0; i < length; i++)
        {
            Assert.False(headers.TryWrite(new byte[i], out _));
        }

        Assert.True(headers.TryWrite(new byte[length], out int written));
        Assert.Equal(length, written);
    }

    [Fact]
    [Trait("Defect", "RESP-14")]
    public void Every_control_and_every_character_beyond_Ascii_is_refused_in_values()
    {
        var headers = new ResponseHeaders(null);
        for (int c = 0; c < 0x300; c++)
        {
            string value = "a" + (char)c + "b";
            if (c == '\t' || (c >= ' ' && c < 0x7F))
            {
                headers["X-A"] = value;
                headers["Content-Type"] = value;
                Assert.Equal(value, headers["X-A"]);
                continue;
            }

            string message = $"Invalid non-ASCII or control character in header: 0x{c:X4}";
            Assert.Equal(message, Assert.Throws<InvalidOperationException>(() => headers["X-A"] = value).Message);
            Assert.Equal(message, Assert.Throws<InvalidOperationException>(() => headers["Content-Type"] = new StringValues(["a", value])).Message);
            Assert.Equal(message, Assert.Throws<InvalidOperationException>(() => headers.Append("X-B", value)).Message);
        }
    }

    [Fact]
    [Trait("Defect", "RESP-14")]
    public void Only_token_characters_may_stand_in_names()
    {
        var headers = new ResponseHeaders(null);
        for (int c = 0; c < 0x200; c++)
        {
            string name = "X" + (char)c;
            bool isToken = c < 0x80 && FieldSyntax.IsToken([(byte)c]);
            if (isToken)
            {
                headers[name] = "v";
            }
            else
            {
                Assert.Throws<InvalidOperationException>(() => headers[name] = "v");
                Assert.False(headers.ContainsKey(name));
            }
        }
    }

    [Fact]
    [Trait("Defect", "RESP-14")]
    public void The_encoding_selector_allows_what_it_encodes_and_never_controls()
    {
        var headers = new ResponseHeaders(name => name == "X-Utf8" ? Encoding.UTF8 : null);
        headers["X-Utf8"] = "D\u00FCrst";

        Assert.Equal(Encoding.Latin1.GetString("X-Utf8: D\u00FCrst\r\n"u8), Written(headers));
        Assert.Throws<InvalidOperationException>(() => headers["X-Utf8"] = "D\u00FC\r\nX: y");
        Assert.Throws<InvalidOperationException>(() => headers["X-Other"] = "D\u00FCrst");
    }

    [Fact]
    [Trait("Defect", "RESP-14")]
    public void An_encoding_that_makes_line_breaks_of_letters_is_refused()
    {
        var headers = new ResponseHeaders(_ => Encoding.Unicode);

        Assert.Throws<InvalidOperationException>(() => headers["X-A"] = "\u0A0D\u0D0A");
    }

    [Fact]
    [Trait("Defect", "RESP-14")]
    public void An_array_changed_after_it_was_set_cannot_split_the_response()
    {
        string?[] values = ["a", "b"];
        var headers = new ResponseHeaders(null);
        headers["X-A"] = values;
        values[1] = "b\r\nX-Evil: 1";

        Assert.Equal("X-A: a\r\nX-A: b  X-Evil: 1\r\n", Written(headers));
    }

    [Fact]
    public void After_the_start_every_change_is_refused_and_reading_goes_on()
    {
        var headers = new ResponseHeaders(null);
        headers["X-A"] = "1";
        headers.SetReadOnly();

        Assert.Equal("Headers are read-only, response has already started.", Assert.Throws<InvalidOperationException>(() => headers["X-A"] = "2").Message);
        Assert.Throws<InvalidOperationException>(() => ((IHeaderDictionary)headers).ContentType = "a");
        Assert.Throws<InvalidOperationException>(() => headers.ContentLength = 1);
        Assert.Throws<InvalidOperationException>(() => headers.Remove("X-A"));
        Assert.Throws<InvalidOperationException>(headers.Clear);
        Assert.True(headers.IsReadOnly);
        Assert.Equal("1", headers["X-A"]);
    }

    [Fact]
    public void The_engine_may_discard_a_field_after_the_start()
    {
        var headers = new ResponseHeaders(null);
        headers["Transfer-Encoding"] = "chunked";
        headers.SetReadOnly();

        headers.Discard(KnownHeader.TransferEncoding);

        Assert.False(headers.HasTransferEncoding);
        Assert.Equal("", Written(headers));
    }

    [Fact]
    [Trait("Defect", "PARSE-22")]
    public void Nothing_of_a_response_is_visible_in_the_next()
    {
        var headers = new ResponseHeaders(null);
        headers["Content-Type"] = "secret";
        headers["X-Secret"] = "secret";
        headers["Set-Cookie"] = new StringValues(["secret", "secret"]);
        headers.ContentLength = 7;
        headers["Connection"] = "close";
        headers.SetReadOnly();

        headers.Reset();

        Assert.Empty(headers);
        Assert.Equal("", Written(headers));
        Assert.Null(headers.ContentLength);
        Assert.False(headers.HasConnection);
        Assert.Equal(ConnectionOptions.None, headers.ParseConnection());
        headers["X-A"] = "1";
        headers["Set-Cookie"] = "c";
        Assert.Equal("Set-Cookie: c\r\nX-A: 1\r\n", Written(headers));
    }

    [Fact]
    public void The_flags_say_what_the_application_set()
    {
        var headers = new ResponseHeaders(null);
        Assert.False(headers.HasServer || headers.HasDate || headers.HasConnection || headers.HasTransferEncoding || headers.HasContentLength || headers.HasTrailer);

        headers["server"] = "s";
        headers["date"] = "d";
        headers["connection"] = "c";
        headers["transfer-encoding"] = "t";
        headers["content-length"] = "0";
        headers["trailer"] = "t";
        headers["alt-svc"] = "a";

        Assert.True(headers.HasServer && headers.HasDate && headers.HasConnection && headers.HasTransferEncoding && headers.HasContentLength && headers.HasTrailer);
    }

    [Theory]
    [Trait("Rfc", "9110 7.6.1")]
    [InlineData("close", ConnectionOptions.Close)]
    [InlineData("CLOSE", ConnectionOptions.Close)]
    [InlineData("keep-alive, Upgrade", ConnectionOptions.KeepAlive | ConnectionOptions.Upgrade)]
    [InlineData(" \tx , close\t,,", ConnectionOptions.Close)]
    [InlineData("closed, xclose, close x", ConnectionOptions.None)]
    [InlineData("", ConnectionOptions.None)]
    internal void Connection_options_are_members_of_a_list(string value, ConnectionOptions expected)
    {
        var headers = new ResponseHeaders(null);
        headers["Connection"] = value;
        Assert.Equal(expected, headers.ParseConnection());

        headers["Connection"] = new StringValues(["x", value]);
        Assert.Equal(expected, headers.ParseConnection());
    }

    [Theory]
    [Trait("Rfc", "9112 6.1")]
    [InlineData("chunked", true)]
    [InlineData("gzip, Chunked ,", true)]
    [InlineData("chunked, gzip", false)]
    [InlineData("xchunked", false)]
    [InlineData("", false)]
    public void The_last_transfer_coding_decides(string value, bool expected)
    {
        var headers = new ResponseHeaders(null);
        headers["Transfer-Encoding"] = value;
        Assert.Equal(expected, headers.IsFinalCodingChunked());

        headers["Transfer-Encoding"] = new StringValues([value, " ,"]);
        Assert.Equal(expected, headers.IsFinalCodingChunked());
    }

    [Fact]
    public void A_repeated_response_allocates_nothing()
    {
        byte[] destination = new byte[256];
        var headers = new ResponseHeaders(null);
        int written = Respond(headers, destination);
        long before = GC.GetAllocatedBytesForCurrentThread();

        for (int i = 0; i < 100; i++)
        {
            written = Respond(headers, destination);
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal("Content-Length: 1234\r\nContent-Type: text/plain\r\nX-A: 1\r\n".Length, written);
        Assert.Equal(0, allocated);

        static int Respond(ResponseHeaders headers, byte[] destination)
        {
            ((IHeaderDictionary)headers).ContentType = "text/plain";
            headers.ContentLength = 1234;
            headers["X-A"] = "1";
            headers.SetReadOnly();
            bool fits = headers.TryWrite(destination, out int written);
            headers.Reset();
            return fits ? written : -1;
        }
    }

    private static string Written(ResponseHeaders headers)
    {
        byte[] destination = new byte[headers.Measure()];
        Assert.True(headers.TryWrite(destination, out int written));
        Assert.Equal(destination.Length, written);
        return Encoding.Latin1.GetString(destination);
    }
}
