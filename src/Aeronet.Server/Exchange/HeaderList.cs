using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Server.Exchange;

/// <summary>Fields whose names have no slot, in the order they came; found without regard to case.</summary>
/// <remarks>A mutable struct that lives in its dictionary. An entry beyond <see cref="Count"/> may hold the strings of an earlier exchange.</remarks>
internal struct HeaderList
{
    // Comparing up to this many names is faster than hashing one; above it a peer could make the comparisons quadratic.
    private const int ScanCountMax = 24;

    internal struct Entry
    {
        public string Name;
        public StringValues Value;
    }

    private Entry[]? _entries;
    private int _count;

    // Entries that may hold strings of the exchange before: up to here, from _count on.
    private int _keptCount;

    // Positions by name; complete exactly while _isIndexed, which holds whenever _count > ScanCountMax.
    private Dictionary<string, int>? _index;
    private bool _isIndexed;

    public readonly int Count => _count;

    public readonly ref readonly Entry this[int index]
    {
        get
        {
            Debug.Assert((uint)index < (uint)_count);
            return ref _entries![index];
        }
    }

    public int Find(string name)
    {
        if (_count > ScanCountMax)
        {
            return FindIndexed(name);
        }

        for (int i = 0; i < _count; i++)
        {
            string candidate = _entries![i].Name;
            if (ReferenceEquals(candidate, name)
                || (candidate.Length == name.Length && candidate.Equals(name, StringComparison.OrdinalIgnoreCase)))
            {
                return i;
            }
        }

        return -1;
    }

    public void Add(string name, StringValues value)
    {
        Debug.Assert(name.Length != 0);
        Debug.Assert(value.Count != 0);
        ref Entry entry = ref NextEntry();
        entry.Name = name;
        entry.Value = value;
        CountLast();
    }

    public readonly void SetValue(int index, StringValues value)
    {
        Debug.Assert((uint)index < (uint)_count);
        Debug.Assert(value.Count != 0);
        _entries![index].Value = value;
    }

    public void RemoveAt(int index)
    {
        Debug.Assert((uint)index < (uint)_count);
        _count--;
        Array.Copy(_entries!, index + 1, _entries!, index, _count - index);
        _entries![_count] = default;
        DropIndex();
        if (_count > ScanCountMax)
        {
            BuildIndex();
        }
    }

    /// <summary>Appends a received line: to the field of that name if there is one, else as a new field.</summary>
    /// <remarks>Clients send the same fields in the same order, so the strings to compare with are those in the entry that the field is about to take.</remarks>
    public void AddReceived(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, Func<string, Encoding?>? encodingSelector)
    {
        int existing = FindReceived(name);
        if (existing >= 0)
        {
            ref Entry field = ref _entries![existing];
            field.Value = StringValues.Concat(field.Value, HeaderStrings.Decode(value, null, field.Name, encodingSelector));
            return;
        }

        // The selector is the application's and may throw: the entry counts only when it is complete.
        ref Entry entry = ref NextEntry();
        string text = HeaderStrings.DecodeName(name, entry.Name);
        string? previous = HeaderStrings.Single(entry.Value);
        entry.Value = HeaderStrings.Decode(value, previous, text, encodingSelector);
        entry.Name = text;
        CountLast();
    }

    public void Clear(bool keepStrings)
    {
        for (int i = 0; i < _count; i++)
        {
            if (!keepStrings || !HeaderStrings.IsWorthKeeping(_entries![i].Value))
            {
                _entries![i] = default;
            }
        }

        if (_count < _keptCount)
        {
            Array.Clear(_entries!, _count, _keptCount - _count);
        }

        _keptCount = keepStrings ? _count : 0;
        _count = 0;
        DropIndex();
    }

    private int FindReceived(ReadOnlySpan<byte> name)
    {
        if (_count > ScanCountMax)
        {
            return FindIndexed(HeaderStrings.DecodeName(name, null));
        }

        for (int i = 0; i < _count; i++)
        {
            string candidate = _entries![i].Name;
            if (candidate.Length == name.Length && Ascii.EqualsIgnoreCase(name, candidate))
            {
                return i;
            }
        }

        return -1;
    }

    private readonly int FindIndexed(string name)
    {
        Debug.Assert(_isIndexed);
        Debug.Assert(_index!.Count == _count);
        return _index.TryGetValue(name, out int index) ? index : -1;
    }

    // With the change that makes it necessary, never with a look-up: several threads may look up at once.
    private void BuildIndex()
    {
        Debug.Assert(!_isIndexed);
        _index ??= new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
        for (int i = 0; i < _count; i++)
        {
            _index.Add(_entries![i].Name, i);
        }

        _isIndexed = true;
    }

    private ref Entry NextEntry()
    {
        if (_entries is null)
        {
            _entries = new Entry[8];
        }
        else if (_count == _entries.Length)
        {
            Array.Resize(ref _entries, _count * 2);
        }

        return ref _entries[_count];
    }

    private void CountLast()
    {
        Debug.Assert(_entries![_count].Name.Length != 0);
        if (_isIndexed)
        {
            _index!.Add(_entries![_count].Name, _count);
        }

        _count++;
        if (_count > ScanCountMax && !_isIndexed)
        {
            BuildIndex();
        }
    }

    private void DropIndex()
    {
        if (_isIndexed)
        {
            _index!.Clear();
            _isIndexed = false;
        }
    }
}
