using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Text;
using Aeronet.Http.Semantics;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Xunit;

namespace Aeronet.Http.Tests.Semantics;

public sealed class KnownHeaderTests
{
    private static IEnumerable<KnownHeader> All => Enum.GetValues<KnownHeader>().Where(h => h != KnownHeader.Unknown);

    [Fact]
    [Trait("Rfc", "9110 5.1")]
    public void Every_name_is_found_in_any_case()
    {
        Assert.Equal(All.Count(), KnownHeaders.Count);
        foreach (KnownHeader header in All)
        {
            string name = KnownHeaders.Name(header);
            Assert.Equal(header.ToString(), name.Replace("-", "", StringComparison.Ordinal), ignoreCase: true);
            foreach (string form in (string[])[name, name.ToUpperInvariant(), name.ToLowerInvariant()])
            {
                Assert.Equal(header, KnownHeaders.Lookup(form));
                Assert.Equal(header, KnownHeaders.Lookup(Encoding.ASCII.GetBytes(form)));
            }

            Assert.Equal(name + ": ", Encoding.ASCII.GetString(KnownHeaders.Prefix(header)));
        }
    }

    [Fact]
    public void Names_equal_those_of_ASPNET_Core()
    {
        foreach (FieldInfo field in typeof(HeaderNames).GetFields(BindingFlags.Public | BindingFlags.Static))
        {
            string name = (string)field.GetValue(null)!;
            if (name.StartsWith(':'))
            {
                continue;
            }

            KnownHeader header = KnownHeaders.Lookup(name);
            Assert.True(header != KnownHeader.Unknown, name);
            Assert.Equal(name, KnownHeaders.Name(header));
        }
    }

    [Fact]
    public void Every_typed_property_of_the_header_dictionary_has_a_known_name()
    {
        foreach (PropertyInfo property in typeof(IHeaderDictionary).GetProperties().Where(p => p.Name != "Item"))
        {
            HeaderDictionary headers = new();
            property.SetValue(headers, property.PropertyType == typeof(long?) ? 1L : new Microsoft.Extensions.Primitives.StringValues("x"));
            Assert.NotEqual(KnownHeader.Unknown, KnownHeaders.Lookup(headers.Keys.Single()));
        }
    }

    [Fact]
    public void Neighbours_of_known_names_are_unknown()
    {
        foreach (KnownHeader header in All)
        {
            byte[] name = Encoding.ASCII.GetBytes(KnownHeaders.Name(header));
            for (int i = 0; i < name.Length; i++)
            {
                byte[] changed = [.. name];
                // Bytes that agree with the right one but for one bit: what careless case folding lets through.
                for (int bit = 0; bit < 8; bit++)
                {
                    changed[i] = (byte)(name[i] ^ (1 << bit));
                    bool sameLetter = bit == 5 && char.IsAsciiLetter((char)name[i]);
                    KnownHeader found = KnownHeaders.Lookup(changed);
                    Assert.True(sameLetter ? found == header : found != header, $"{header} byte {i} bit {bit}");
                }
            }

            Assert.NotEqual(header, KnownHeaders.Lookup(name.AsSpan(1)));
            Assert.NotEqual(header, KnownHeaders.Lookup([.. name, (byte)'x']));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("host ")]
    [InlineData("h\u00f6st")]
    [InlineData("x-a-name-that-is-longer-than-every-known-name")]
    public void Other_names_are_unknown(string name)
    {
        Assert.Equal(KnownHeader.Unknown, KnownHeaders.Lookup(name));
        Assert.Equal(KnownHeader.Unknown, KnownHeaders.Lookup(Encoding.Latin1.GetBytes(name)));
    }

    [Fact]
    public void Framing_names_come_first()
    {
        KnownHeader[] framing = [KnownHeader.Host, KnownHeader.ContentLength, KnownHeader.TransferEncoding, KnownHeader.Connection, KnownHeader.Expect, KnownHeader.TE, KnownHeader.Upgrade];
        Assert.All(framing, h => Assert.True(h <= KnownHeaders.LastFramingHeader));
        Assert.Equal((int)KnownHeaders.LastFramingHeader, framing.Length);
    }
}
