using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Reflection;
using System.Text;
using Aeronet.Server.Exchange;
using CsCheck;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Primitives;
using Xunit;

namespace Aeronet.Server.Tests.Exchange;

/// <summary>The same operations on Kestrel's own dictionaries and on ours: results, exceptions and contents must be the same.</summary>
public sealed class HeadersAgainstKestrelTests
{
    private static readonly string?[] s_keys =
    [
        "Host", "host", "Content-Type", "CONTENT-TYPE", "Accept", "Cookie", "Content-Length", "content-length", "Connection", "Set-Cookie", "Server",
        "Transfer-Encoding", "X-One", "x-one", "X-Two", "X-Three", "x", "", "bad name", "bad:name", "D\u00FCrst", "a\u0000b",
    ];

    private static readonly StringValues[] s_values =
    [
        default, StringValues.Empty, "", "a", "A", "b c", "12", "012", " 12", "-1", "+1", "1,2", "99999999999999999999", "close", "x\r\ny", "\u00E9", "\u20AC", "\u0000",
        "\u007F", "a\tb", new StringValues(["a", "b"]), new StringValues(["a"]), new StringValues([null, "a"]), new StringValues((string?)null),
        new StringValues([]), new StringValues(["1", "2"]), new StringValues(["a", "b\n"]),
    ];

    private static readonly Gen<Step> s_step = Gen.Select(Gen.Int[0, 14], Gen.Int[0, s_keys.Length - 1], Gen.Int[0, s_values.Length - 1], (kind, key, value) => new Step(kind, s_keys[key], s_values[value]));

    [Fact]
    public void Request_headers_answer_every_sequence_of_operations_as_Kestrel_does()
        => s_step.Array[1, 12].Sample(
            steps => AssertSame(KestrelHeaders("HttpRequestHeaders", true, DefaultRequestSelector), new RequestHeaders(null, reuseStrings: true), steps),
            iter: 3000);

    [Fact]
    [Trait("Defect", "RESP-14")]
    public void Response_headers_answer_every_sequence_of_operations_as_Kestrel_does()
        => s_step.Array[1, 12].Sample(
            steps => AssertSame(KestrelHeaders("HttpResponseHeaders", DefaultResponseSelector), new ResponseHeaders(null), steps),
            iter: 3000);

    [Fact]
    [Trait("Defect", "RESP-14")]
    public void Response_headers_with_an_encoding_selector_answer_as_Kestrel_does()
    {
        static Encoding? Selector(string name) => name.StartsWith('X') ? Encoding.UTF8 : null;

        s_step.Array[1, 12].Sample(
            steps => AssertSame(KestrelHeaders("HttpResponseHeaders", (Func<string, Encoding?>)Selector), new ResponseHeaders(Selector), steps),
            iter: 2000);
    }

    [Fact]
    public void Headers_that_are_read_only_refuse_and_answer_as_Kestrel_does()
        => s_step.Where(step => step.Kind != Step.RemovePair).Array[1, 12].Sample( // Kestrel removes pairs even then
            steps =>
            {
                IHeaderDictionary kestrel = KestrelHeaders("HttpResponseHeaders", DefaultResponseSelector);
                var ours = new ResponseHeaders(null);
                kestrel["X-One"] = ours["X-One"] = "1";
                kestrel.Accept = ((IHeaderDictionary)ours).Accept = "a";
                kestrel.ContentLength = ours.ContentLength = 5;
                kestrel.GetType().GetMethod("SetReadOnly")!.Invoke(kestrel, null);
                ours.SetReadOnly();
                AssertSame(kestrel, ours, steps);
            },
            iter: 1000);

    private static Func<string, Encoding?> DefaultRequestSelector => new KestrelServerOptions().RequestHeaderEncodingSelector;

    private static Func<string, Encoding?> DefaultResponseSelector => new KestrelServerOptions().ResponseHeaderEncodingSelector;

    // Kestrel's dictionaries are internal; going through a server for every sequence would take minutes.
    private static IHeaderDictionary KestrelHeaders(string type, params object?[] arguments)
        => (IHeaderDictionary)Activator.CreateInstance(
            typeof(KestrelServerOptions).Assembly.GetType("Microsoft.AspNetCore.Server.Kestrel.Core.Internal.Http." + type, throwOnError: true)!,
            BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic,
            binder: null,
            arguments,
            CultureInfo.InvariantCulture)!;

    private static void AssertSame(IHeaderDictionary kestrel, IHeaderDictionary ours, Step[] steps)
    {
        for (int i = 0; i < steps.Length; i++)
        {
            string path = string.Join("; ", steps.Take(i + 1));
            string expected = Outcome(kestrel, steps[i]);
            string actual = Outcome(ours, steps[i]);
            Assert.True(expected == actual, $"{path}: Kestrel {expected}, ours {actual}");
            expected = Content(kestrel);
            actual = Content(ours);
            Assert.True(expected == actual, $"after {path}: Kestrel holds {expected}, ours {actual}");
        }
    }

    private static string Outcome(IHeaderDictionary headers, Step step)
    {
        try
        {
            return step.Apply(headers);
        }
        catch (ArgumentOutOfRangeException)
        {
            return "out of range"; // Kestrel gives the message where the parameter's name belongs
        }
        catch (Exception exception) when (exception is not NullReferenceException)
        {
            // Kestrel names the key of a duplicate only where it has no slot for the name.
            return exception.GetType().Name + ": " + exception.Message.Split(" Key: ")[0];
        }
    }

    private static string Content(IHeaderDictionary headers)
        => $"{headers.Count} {headers.Keys.Count} {headers.Values.Count} {headers.ContentLength} "
            + string.Join(" | ", headers.Select(header => header.Key.ToUpperInvariant() + "=" + Show(header.Value)).Order(StringComparer.Ordinal));

    private static string Show(StringValues values) => $"{values.Count}[{string.Join(",", values.Select(value => value is null ? "null" : "'" + value + "'"))}]";

    private sealed record Step(int Kind, string? Key, StringValues Value)
    {
        public const int RemovePair = 11;

        public string Apply(IHeaderDictionary headers)
        {
            IDictionary<string, StringValues> dictionary = headers;
            switch (Kind)
            {
                case 0:
                case 1:
                case 2:
                    headers[Key!] = Value;
                    return "set";
                case 3:
                    dictionary[Key!] = Value;
                    return "set";
                case 4:
                case 5:
                    dictionary.Add(KeyValuePair.Create(Key!, Value));
                    return "added";
                case 6:
                    return headers.Remove(Key!).ToString();
                case 7:
                    return headers.TryGetValue(Key!, out StringValues value) + Show(value);
                case 8:
                    return Show(headers[Key!]);
                case 9:
                    return Show(dictionary[Key!]);
                case 10:
                    return headers.Contains(KeyValuePair.Create(Key!, Value)).ToString();
                case RemovePair:
                    return headers.Remove(KeyValuePair.Create(Key!, Value)).ToString();
                case 12:
                    headers.ContentLength = Value.Count == 1 && long.TryParse(Value[0], out long length) ? length : null;
                    return "length";
                case 13:
                    // Kestrel's typed setters keep an empty value as a field without values, unlike its own indexer.
                    if (Value.Count != 0)
                    {
                        headers.ContentType = Value;
                        headers.Accept = Value;
                        headers.SetCookie = Value;
                    }

                    return Show(headers.Accept) + headers.ContainsKey(Key!);
                default:
                    if (Value.Count == 2)
                    {
                        headers.Clear();
                    }

                    return headers.IsReadOnly.ToString();
            }
        }

        public override string ToString() => $"{Kind}({Key}, {Show(Value)})";
    }
}
