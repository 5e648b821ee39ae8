using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Microsoft.Extensions.Configuration;

namespace Aeronet.Server;

/// <summary>Reads known keys of a section one by one and remembers what was wrong and what was left.</summary>
internal sealed class SectionReader
{
    private readonly List<string> _faults;
    private readonly Dictionary<string, IConfigurationSection> _left;

    public SectionReader(IConfigurationSection section, List<string> faults)
    {
        _faults = faults;
        _left = section.GetChildren().ToDictionary(static child => child.Key, StringComparer.OrdinalIgnoreCase);
    }

    public void Bool(string key, Action<bool> set)
        => Value(key, "true or false", text => bool.TryParse(text, out bool value) && Accept(set, value));

    public void Int(string key, Action<int> set)
        => Value(key, "a whole number", text => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && Accept(set, value));

    public void Long(string key, Action<long> set)
        => Value(key, "a whole number", text => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) && Accept(set, value));

    // An empty string stands for null, as with the general binder.
    public void NullableInt(string key, Action<int?> set)
        => Value(key, "a whole number, or empty for no limit", text => text.Length == 0
            ? Accept(set, null)
            : int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && Accept(set, value));

    public void NullableLong(string key, Action<long?> set)
        => Value(key, "a whole number, or empty for no limit", text => text.Length == 0
            ? Accept(set, null)
            : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) && Accept(set, value));

    public void Time(string key, Action<TimeSpan> set)
        => Value(key, "a time such as 00:00:05", text => TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out TimeSpan value) && Accept(set, value));

    public void Enum<T>(string key, Action<T> set)
        where T : struct, Enum
        => Value(key, $"one of {string.Join(", ", System.Enum.GetNames<T>())}", text =>
            !long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _) && System.Enum.TryParse(text, ignoreCase: true, out T value) && Accept(set, value));

    public void Text(string key, Action<string> set)
        => Value(key, "text", text => text.Length > 0 && Accept(set, text));

    /// <summary>A list of texts: one value, or one child each. Replaces what is there.</summary>
    public void Texts(string key, ICollection<string> into)
    {
        if (_left.Remove(key, out IConfigurationSection? section))
        {
            into.Clear();
            if (section.Value is { Length: > 0 } single)
            {
                into.Add(single);
            }
            foreach (IConfigurationSection child in section.GetChildren())
            {
                into.Add(child.Value ?? "");
            }
        }
    }

    /// <summary>A section for every child: of a list, or of names.</summary>
    public void Each(string key, Action<string, SectionReader> read)
    {
        if (_left.Remove(key, out IConfigurationSection? section) && HasNoValue(section, "a list or a section"))
        {
            foreach (IConfigurationSection child in section.GetChildren())
            {
                var nested = new SectionReader(child, _faults);
                read(child.Key, nested);
                nested.ReportUnknown();
            }
        }
    }

    public void Children(string key, Action<IEnumerable<IConfigurationSection>> set)
    {
        if (_left.Remove(key, out IConfigurationSection? section) && HasNoValue(section, "a list or a section"))
        {
            set(section.GetChildren());
        }
    }

    public void Nested(string key, Action<SectionReader> read)
    {
        if (_left.Remove(key, out IConfigurationSection? section) && HasNoValue(section, "a section"))
        {
            var nested = new SectionReader(section, _faults);
            read(nested);
            nested.ReportUnknown();
        }
    }

    public void ReportUnknown()
    {
        foreach (IConfigurationSection section in _left.Values)
        {
            _faults.Add($"{section.Path} is not a setting of Aeronet.");
        }
        _left.Clear();
    }

    // An empty value is what providers make of an empty list or section.
    private bool HasNoValue(IConfigurationSection section, string expected)
    {
        if (section.Value is not { Length: > 0 } value)
        {
            return true;
        }

        _faults.Add($"{section.Path} is '{value}'; expected: {expected}.");
        return false;
    }

    private void Value(string key, string expected, Func<string, bool> tryAccept)
    {
        if (_left.Remove(key, out IConfigurationSection? section) && !tryAccept(section.Value ?? ""))
        {
            _faults.Add($"{section.Path} is '{section.Value}'; expected: {expected}.");
        }
    }

    private static bool Accept<T>(Action<T> set, T value)
    {
        set(value);
        return true;
    }
}
