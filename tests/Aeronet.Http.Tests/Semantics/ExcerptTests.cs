using System;
using System.Linq;
using System.Text;
using Aeronet.Http.Semantics;
using Xunit;

namespace Aeronet.Http.Tests.Semantics;

public sealed class ExcerptTests
{
    [Fact]
    public void Shows_printable_ascii_and_escapes_the_rest()
    {
        byte[] all = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
        for (int at = 0; at <= 256; at++)
        {
            string text = Excerpt.Escape(all, at);
            Assert.All(text, c => Assert.InRange(c, ' ', '~'));
        }

        Assert.Equal(@"a\\b\x0D\x0A\xFF\x00", Excerpt.Escape([(byte)'a', (byte)'\\', (byte)'b', 13, 10, 255, 0], 0));
    }

    [Fact]
    public void Shows_at_most_64_bytes_with_the_offending_one_among_them()
    {
        byte[] bytes = Encoding.ASCII.GetBytes(new string('a', 500) + "!" + new string('b', 500));
        string text = Excerpt.Escape(bytes, 500);
        Assert.Equal(Excerpt.BytesMax, text.Length);
        Assert.Contains('!', text);
        Assert.Equal("", Excerpt.Escape([], 0));
    }
}
