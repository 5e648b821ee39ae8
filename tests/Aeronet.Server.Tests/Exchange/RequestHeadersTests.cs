using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Aeronet.Server.Exchange;
using CsCheck;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Xunit;

namespace Aeronet.Server.Tests.Exchange;

public sealed class RequestHeadersTests
{
    [Fact]
    public void A_known_field_is_found_by_property_and_by_name_in_any_case()
    {
        IHeaderDictionary headers = Attached("Host: a.example\r\nUSER-AGENT: x/1\r\n");

        Assert.Equal("a.example", headers.Host);
        Assert.Equal("x/1", headers.UserAgent);
        Assert.Equal("x/1", headers["user-agent"]);
        Assert.Contains(headers, header => header.Key == "User-Agent");
    }

    [Fact]
    public void An_unknown_field_is_found_in_any_case_and_keeps_the_name_as_sent()
    {
        RequestHeaders headers = Attached("x-ReQuest: 1\r\n");

        Assert.Equal("1", headers["X-REQUEST"]);
        Assert.Equal(["x-ReQuest"], headers.Keys);
    }

    [Fact]
    [Trait("Rfc", "9110 5.3")]
    public void Lines_of_one_name_become_elements_in_their_order()
    {
        IHeaderDictionary headers = Attached("Accept: a\r\nX-A: 1\r\nCookie: c=1\r\naccept: b\r\nx-a: 2\r\nAccept: \r\nCookie: d=2\r\n");

        Assert.Equal(new StringValues(["a", "b", ""]), headers.Accept);
        Assert.Equal(new StringValues(["1", "2"]), headers["X-A"]);
        Assert.Equal(new StringValues(["c=1", "d=2"]), headers.Cookie);
        Assert.Equal(3, headers.Count);
    }

    [Fact]
    public void An_empty_value_is_present()
    {
        IHeaderDictionary headers = Attached("Accept:\r\nX-Empty:\r\n");

        Assert.True(headers.ContainsKey("Accept"));
        Assert.True(headers.ContainsKey("X-Empty"));
        Assert.Equal("", headers.Accept);
    }

    [Fact]
    public void Content_length_is_a_number_and_a_string()
    {
        RequestHeaders headers = Attached("Content-Length: 0012\r\n");

        Assert.Equal(12, headers.ContentLength);
        Assert.Equal("12", headers["Content-Length"]);
        headers.ContentLength = null;
        Assert.False(headers.ContainsKey("Content-Length"));
    }

    [Fact]
    public void A_change_before_the_first_read_survives_it()
    {
        IHeaderDictionary headers = Attached("Host: wire\r\nAccept: wire\r\nX-A: wire\r\nX-B: wire\r\n");

        headers.Host = "set";
        headers.Remove("Accept");
        headers["X-A"] = "set";
        headers.Remove("x-b");

        Assert.Equal("set", headers.Host);
        Assert.Equal("set", headers["x-a"]);
        Assert.Equal(2, headers.Count);
    }

    [Fact]
    public void Clear_before_the_first_read_leaves_nothing()
    {
        RequestHeaders headers = Attached("Host: wire\r\nX-A: wire\r\n");

        headers.Clear();

        Assert.Empty(headers);
        Assert.False(headers.ContainsKey("X-A"));
    }

    [Fact]
    [Trait("Defect", "PARSE-22")]
    public void Nothing_of_a_request_is_visible_in_the_next()
    {
        var headers = new RequestHeaders(null, reuseStrings: true);
        Attach(headers, "Host: one\r\nContent-Length: 5\r\nAuthorization: secret\r\nX-Secret: secret\r\nX-Two: 2\r\nCookie: a\r\nCookie: b\r\n");
        Assert.Equal(6, headers.Count);
        headers["X-Added"] = "secret";
        headers["Content-Type"] = "secret";

        headers.Reset();
        Assert.Empty(headers);

        Attach(headers, "Host: two\r\nX-Other: 1\r\n");
        Assert.Null(headers.ContentLength);
        Assert.Equal(["Host=two", "X-Other=1"], headers.Select(header => $"{header.Key}={header.Value}"));
        foreach (string name in new[] { "Authorization", "X-Secret", "X-Two", "Cookie", "X-Added", "Content-Type", "Content-Length" })
        {
            Assert.False(headers.TryGetValue(name, out StringValues value));
            Assert.Equal(0, value.Count);
        }
    }

    [Fact]
    [Trait("Defect", "PARSE-22")]
    public void Any_sequence_of_requests_on_one_dictionary_reads_like_fresh_dictionaries()
    {
        string[] names = ["Host", "Accept", "Cookie", "User-Agent", "X-A", "x-a", "X-B", "X-C", "ETag"];
        string[] values = ["", "a", "b", "text/html", "a longer value that fills vectors and more than vectors", "\u00FC"];
        Gen<(string Name, string Value)> line = Gen.Select(Gen.Int[0, names.Length - 1], Gen.Int[0, values.Length - 1], (name, value) => (names[name], values[value]));
        Gen<(string Name, string Value)[]> request = line.Array[0, 40];

        request.Array[1, 6].Sample(
            requests =>
            {
                var reused = new RequestHeaders(null, reuseStrings: true);
                foreach ((string Name, string Value)[] fields in requests)
                {
                    string section = string.Concat(fields.Select(field => $"{field.Name}: {field.Value}\r\n"));
                    Attach(reused, section);
                    foreach (IGrouping<string, string> expected in fields.GroupBy(field => field.Name, field => field.Value, StringComparer.OrdinalIgnoreCase))
                    {
                        Assert.Equal(expected, reused[expected.Key].ToArray());
                    }

                    Assert.Equal(fields.Select(field => field.Name).Distinct(StringComparer.OrdinalIgnoreCase).Count(), reused.Count);
                    Assert.Equal(reused.Count, reused.ToList().Count);
                    reused.Reset();
                }
            },
            iter: 500);
    }

    [Fact]
    public void An_equal_value_of_the_request_before_gives_its_string_again()
    {
        var headers = new RequestHeaders(null, reuseStrings: true);
        Attach(headers, "User-Agent: browser/1.0\r\nX-Trace: abcdef\r\n");
        string agent = headers["User-Agent"]!;
        string trace = headers["X-Trace"]!;
        string name = headers.Keys.Last();
        headers.Reset();

        Attach(headers, "User-Agent: browser/1.0\r\nX-Trace: abcdef\r\n");

        Assert.Same(agent, headers["User-Agent"].ToString());
        Assert.Same(trace, headers["X-Trace"].ToString());
        Assert.Same(name, headers.Keys.Last());
    }

    [Fact]
    public void Strings_are_made_anew_when_reuse_is_disabled()
    {
        var headers = new RequestHeaders(null, reuseStrings: false);
        Attach(headers, "User-Agent: browser/1.0\r\nX-Trace: abcdef\r\n");
        string agent = headers["User-Agent"]!;
        string trace = headers["X-Trace"]!;
        headers.Reset();

        Attach(headers, "User-Agent: browser/1.0\r\nX-Trace: abcdef\r\n");

        Assert.NotSame(agent, headers["User-Agent"].ToString());
        Assert.NotSame(trace, headers["X-Trace"].ToString());
    }

    [Fact]
    public void A_value_that_middleware_put_in_is_no_source_of_strings_that_differ()
    {
        var headers = new RequestHeaders(null, reuseStrings: true);
        Attach(headers, "Host: wire\r\n");
        headers["Host"] = "WIRE";
        headers.Reset();

        Attach(headers, "Host: wire\r\n");

        Assert.Equal("wire", headers["Host"]);
    }

    [Fact]
    public void A_repeated_request_allocates_nothing()
    {
        const string Section = "Host: a.example\r\nUser-Agent: browser/1.0\r\nAccept: text/html\r\nContent-Length: 5\r\nX-Trace: abcdef\r\nSec-Fetch-Mode: navigate\r\n";
        byte[] bytes = Encoding.Latin1.GetBytes(Section);
        var head = new RequestHead();
        Parse(head, bytes);
        var headers = new RequestHeaders(null, reuseStrings: true);
        int read = ReadAll(headers, head, bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();

        for (int i = 0; i < 100; i++)
        {
            read = ReadAll(headers, head, bytes);
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(6, read);
        Assert.Equal(0, allocated);

        static int ReadAll(RequestHeaders headers, RequestHead head, byte[] bytes)
        {
            headers.Attach(head, bytes, 0);
            int count = headers.TryDecodeAll(out _) ? 0 : -100;
            _ = ((IHeaderDictionary)headers).UserAgent;
            foreach (KeyValuePair<string, StringValues> header in headers)
            {
                count += header.Value.Count;
            }

            headers.Reset();
            return count;
        }
    }

    [Fact]
    [Trait("Defect", "PARSE-11")]
    public void A_value_beyond_Ascii_is_Utf8()
    {
        RequestHeaders headers = Attached("X-Name: D\u00FCrst \u20AC \U0001F600\r\nUser-Agent: \u00E9\r\n");

        Assert.True(headers.TryDecodeAll(out _));
        Assert.Equal("D\u00FCrst \u20AC \U0001F600", headers["X-Name"]);
        Assert.Equal("\u00E9", headers["User-Agent"]);
    }

    [Theory]
    [Trait("Defect", "PARSE-11")]
    [InlineData(new byte[] { 0xFF }, 0)]
    [InlineData(new byte[] { 0x61, 0xE2, 0x82 }, 1)] // cut short
    [InlineData(new byte[] { 0xC3, 0xBC, 0xC0, 0xAF }, 2)] // overlong slash
    [InlineData(new byte[] { 0x61, 0x62, 0xED, 0xA0, 0x80 }, 2)] // surrogate
    public void A_value_that_is_not_Utf8_is_reported_with_its_place(byte[] value, int badIndex)
    {
        byte[] section = [.. "Host: a\r\nX-Name: "u8, .. value, .. "\r\nX-C: \u00FC\r\n"u8];
        var head = new RequestHead();
        Parse(head, section);
        var headers = new RequestHeaders(null, reuseStrings: true);
        headers.Attach(head, section, 0);

        Assert.False(headers.TryDecodeAll(out int badOffset));
        Assert.Equal("Host: a\r\nX-Name: ".Length + badIndex, badOffset);
    }

    [Fact]
    [Trait("Defect", "PARSE-11")]
    public void The_encoding_selector_decides_per_name_and_its_null_means_Utf8()
    {
        static Encoding? Selector(string name) => name switch { "X-Latin" or "User-Agent" => Encoding.Latin1, _ => null };

        byte[] section = [.. "X-Latin: "u8, 0xE9, .. "\r\nuser-agent: "u8, 0xFC, .. "\r\nX-Other: \u00FC\r\n"u8];
        var head = new RequestHead();
        Parse(head, section);
        var headers = new RequestHeaders(Selector, reuseStrings: true);
        headers.Attach(head, section, 0);

        Assert.True(headers.TryDecodeAll(out _));
        Assert.Equal("\u00E9", headers["X-Latin"]);
        Assert.Equal("\u00FC", headers["User-Agent"]);
        Assert.Equal("\u00FC", headers["X-Other"]);
    }

    [Fact]
    [Trait("Defect", "PARSE-11")]
    public void A_selected_encoding_that_refuses_the_bytes_refuses_the_request()
    {
        byte[] section = [.. "X-A: "u8, 0xE9, .. "\r\n"u8];
        var head = new RequestHead();
        Parse(head, section);
        var headers = new RequestHeaders(_ => new UTF8Encoding(false, throwOnInvalidBytes: true), reuseStrings: true);
        headers.Attach(head, section, 0);

        Assert.False(headers.TryDecodeAll(out int badOffset));
        Assert.Equal(5, badOffset);
    }

    [Fact]
    [Trait("Defect", "PARSE-22")]
    public void A_selector_that_throws_leaves_no_value_of_the_request_before_visible()
    {
        static Encoding? Selector(string name) => name == "X-A" ? throw new InvalidTimeZoneException() : null;

        var headers = new RequestHeaders(Selector, reuseStrings: true);
        Attach(headers, "X-A: secret\r\n");
        Assert.Equal("secret", headers["X-A"]);
        headers.Reset();
        Attach(headers, "X-First: 1\r\nX-A: \u00FC\r\n");

        Assert.Throws<InvalidTimeZoneException>(() => headers["X-A"]);
        Assert.Throws<InvalidTimeZoneException>(() => headers["X-First"]);
        headers.Reset();
        Assert.Empty(headers);
    }

    [Fact]
    public void The_bytes_may_move_and_may_go_after_release()
    {
        byte[] section = "Host: a\r\nX-A: 1\r\nAccept: b\r\n"u8.ToArray();
        var head = new RequestHead();
        Parse(head, section);
        var headers = new RequestHeaders(null, reuseStrings: true);
        headers.Attach(head, section, 0);
        Assert.Equal("a", headers["Host"]);

        byte[] moved = [.. "....."u8, .. section];
        Array.Clear(section);
        headers.Rebase(moved, 5);
        Assert.Equal("1", headers["X-A"]);

        headers.Release();
        Array.Clear(moved);
        Assert.Equal("b", headers["Accept"]);
        Assert.Equal(3, headers.Count);
    }

    [Fact]
    public void A_head_from_the_parser_is_read_wherever_it_lies()
    {
        RequestHeaders headers = Parsed("\r\nGET /p HTTP/1.1\r\nHost: a.example\r\nX-A:  1 \r\nContent-Length: 3\r\n\r\n", new Http1Limits());

        Assert.True(headers.TryDecodeAll(out _));
        Assert.Equal("a.example", headers["Host"]);
        Assert.Equal("1", headers["X-A"]);
        Assert.Equal(3, headers.ContentLength);
        Assert.Equal(3, headers.Count);
    }

    [Fact]
    [Trait("Rfc", "9112 3.2.2")]
    public void The_authority_of_the_target_is_the_host_where_the_option_says_so()
    {
        RequestHeaders headers = Parsed("GET http://target.example:81/p HTTP/1.1\r\nHost: field.example\r\n\r\n", new Http1Limits { AllowHostHeaderOverride = true });

        Assert.Equal("target.example:81", headers["Host"]);
        Assert.Single(headers);
    }

    [Fact]
    public void Many_names_without_slot_stay_distinct_and_ordered()
    {
        string section = string.Concat(Enumerable.Range(0, 300).Select(i => $"X-{i % 150}: {i}\r\n"));
        RequestHeaders headers = Attached(section);

        Assert.Equal(150, headers.Count);
        for (int i = 0; i < 150; i++)
        {
            Assert.Equal(new StringValues([i.ToString(CultureInfo.InvariantCulture), (i + 150).ToString(CultureInfo.InvariantCulture)]), headers[$"x-{i}"]);
        }

        Assert.True(headers.Remove("X-7"));
        headers["X-new"] = "n";
        Assert.Equal(150, headers.Count);
        Assert.Equal("n", headers["x-NEW"]);
        Assert.Equal("X-0", headers.Keys.First());
        Assert.Equal("X-new", headers.Keys.Last());
        Assert.False(headers.ContainsKey("X-7"));
    }

    [Fact]
    public async Task Several_threads_may_read_one_request_at_once()
    {
        // One name more than are found by comparing, so that the index is shared, too.
        string section = string.Concat(Enumerable.Range(0, 25).Select(i => $"X-{i}: value {i}\r\n")) + "Host: h\r\nAccept: a\r\nUser-Agent: u\r\nAuthorization: z\r\n";
        var headers = new RequestHeaders(null, reuseStrings: true);
        for (int round = 0; round < 200; round++)
        {
            Attach(headers, section);
            await Task.WhenAll(Task.Run(() => Read(headers)), Task.Run(() => Read(headers)), Task.Run(() => Read(headers)));
            headers.Reset();
        }

        static void Read(RequestHeaders headers)
        {
            for (int i = 0; i < 25; i++)
            {
                Assert.Equal($"value {i}", headers[$"X-{i}"]);
            }

            Assert.Equal("h", headers["Host"]);
            Assert.Equal("a", headers["Accept"]);
            Assert.Equal("u", headers["User-Agent"]);
            Assert.Equal("z", headers["Authorization"]);
            Assert.Equal(29, headers.Count);
        }
    }

    [Fact]
    public void A_pair_is_not_removed_from_headers_that_are_read_only()
    {
        var headers = new ResponseHeaders(null);
        headers["X-A"] = "1";
        headers.SetReadOnly();

        Assert.Throws<InvalidOperationException>(() => headers.Remove(KeyValuePair.Create("X-A", new StringValues("1"))));
        Assert.Equal("1", headers["X-A"]);
    }

    [Fact]
    public void Every_typed_property_is_the_field_of_its_name()
    {
        foreach (System.Reflection.PropertyInfo property in typeof(IHeaderDictionary).GetProperties().Where(property => property.PropertyType == typeof(StringValues) && property.GetIndexParameters().Length == 0))
        {
            var reference = new HeaderDictionary();
            property.SetValue(reference, new StringValues("v"));
            string name = reference.Keys.Single();
            var headers = new RequestHeaders(null, reuseStrings: true);
            Attach(headers, $"{name.ToUpperInvariant()}: v\r\n");

            Assert.Equal(new StringValues("v"), property.GetValue(headers));
            Assert.Equal(name, headers.Keys.Single(), ignoreCase: true);
            property.SetValue(headers, new StringValues("w"));
            Assert.Equal("w", headers[name]);
            property.SetValue(headers, StringValues.Empty);
            Assert.Empty(headers);
        }
    }

    private static RequestHeaders Parsed(string request, Http1Limits limits)
    {
        byte[] bytes = Encoding.UTF8.GetBytes("@@@" + request);
        var head = new RequestHead();
        var parser = new RequestParser();
        parser.Reset();
        Assert.Equal(ParseStatus.Done, parser.Parse(bytes.AsSpan(3), limits, head, out _));
        var headers = new RequestHeaders(null, reuseStrings: true);
        headers.Attach(head, bytes, 3);
        return headers;
    }

    private static RequestHeaders Attached(string section)
    {
        var headers = new RequestHeaders(null, reuseStrings: true);
        Attach(headers, section);
        return headers;
    }

    private static void Attach(RequestHeaders headers, string section)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(section);
        var head = new RequestHead();
        Parse(head, bytes);
        headers.Attach(head, bytes, 0);
    }

    // Only the field lines of a head: what the dictionary looks at.
    internal static void Parse(RequestHead head, byte[] section)
    {
        foreach (FieldLine line in Lines(section))
        {
            head.Add(line);
        }

        head.Mutable.Length = section.Length;
    }

    internal static List<FieldLine> Lines(byte[] section)
    {
        var lines = new List<FieldLine>();
        for (int start = 0; start < section.Length;)
        {
            ReadOnlySpan<byte> rest = section.AsSpan(start);
            int colon = rest.IndexOf((byte)':');
            int end = rest.IndexOf("\r\n"u8);
            ReadOnlySpan<byte> value = rest[(colon + 1)..end].Trim((byte)' ');
            int valueStart = value.IsEmpty ? end : end - rest[(colon + 1)..end].TrimStart((byte)' ').Length;
            lines.Add(new FieldLine(start, colon, start + valueStart, value.Length, KnownHeaders.Lookup(rest[..colon])));
            start += end + 2;
        }

        return lines;
    }
}
