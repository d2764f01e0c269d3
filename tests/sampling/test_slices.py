from trainer.sampling.slices import SliceType, slice_types


def test_types_and_numbers_of_solutions():
  assert slice_types((4,), ((5,),)) == (SliceType((1,), 5),)
  assert slice_types((5,), ((3, 3),)) == (SliceType((2,), 9),)
  assert slice_types((2, 2), ((3,), (3,))) == (SliceType((0, 1), 3), SliceType((1, 0), 3))
  # Types that miss X are left out: on the Schoen manifold all but three of seven.
  assert slice_types((1, 2, 2), ((1, 1), (3, 0), (0, 3))) == (
    SliceType((0, 1, 1), 9),
    SliceType((1, 0, 1), 3),
    SliceType((1, 1, 0), 3),
  )
